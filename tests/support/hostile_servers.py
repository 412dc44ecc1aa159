"""POP3 and IMAP servers whose answers are endless, far too large, or too slow.

They know only as much of the protocols as one run needs, for one message; IMAP also has STARTTLS. A row of a
table replaces one answer; all other answers are those of an honest server.
"""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import ssl
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

Chunks = Iterable[bytes]
Answers = Mapping[str, Callable[[], Chunks]]
"""Answers to commands, by the command's name."""

MESSAGE = b"From: anna@example.com\r\nTo: bob@example.com\r\nSubject: hello\r\n\r\nhello\r\n"
DRIP = 0.05
"""Seconds between two bytes of a slow server."""


def endless(*chunks: bytes) -> Iterator[bytes]:
    """The same chunks again and again."""
    return itertools.cycle(chunks)


def numbered(form: bytes, opening: bytes = b"+OK\r\n") -> Iterator[bytes]:
    """Endless lines, each with a number of its own in place of every %d of `form`."""
    places = form.count(b"%d")
    yield opening
    for start in itertools.count(1, 500):
        yield b"".join(form % ((number,) * places) for number in range(start, start + 500))


def drips(data: bytes) -> Iterator[bytes]:
    """Byte by byte, slowly."""
    for n in range(len(data)):
        time.sleep(DRIP)
        yield data[n : n + 1]


def trickles(data: bytes) -> Iterator[bytes]:
    """The same with 20 bytes at a time, which is faster than the least rate of a short answer."""
    for n in range(0, len(data), 20):
        time.sleep(DRIP)
        yield data[n : n + 20]


POP3: dict[str, Answers] = {
    "capabilities without end": {"CAPA": lambda: numbered(b"CAP%d" + b"x" * 200 + b"\r\n")},
    "a capability line without end": {"CAPA": lambda: endless(b"x" * 100_000)},
    "a greeting line without end": {"": lambda: endless(b"x" * 100_000)},
    "a reply line without end": {"USER": lambda: endless(b"+OK " + b"A" * 100_000)},
    "a refusal without end": {"PASS": lambda: endless(b"-ERR " + b"z" * 100_000)},
    "keys without end": {"UIDL": lambda: numbered(b"%d key-%d" + b"x" * 60 + b"\r\n")},
    "one key without end": {"UIDL": lambda: itertools.chain([b"+OK\r\n1 "], endless(b"u" * 100_000))},
    "a key of 60,000 characters": {"UIDL": lambda: [b"+OK\r\n1 " + b"u" * 60_000 + b"\r\n.\r\n"]},
    "a negative number": {"UIDL": lambda: [b"+OK\r\n-5 a\r\n.\r\n"]},
    "a number beyond 64 bits": {"UIDL": lambda: [b"+OK\r\n99999999999999999999999 a\r\n.\r\n"]},
    "a number of 5,000 digits": {"UIDL": lambda: [b"+OK\r\n" + b"9" * 5000 + b" a\r\n.\r\n"]},
    "two messages of one number": {"UIDL": lambda: [b"+OK\r\n1 a\r\n1 b\r\n.\r\n"]},
    "a number that is text": {"UIDL": lambda: [b"+OK\r\n1_0 a\r\n.\r\n"]},
    "49 million keys": {
        "STAT": lambda: [b"+OK 49000000 1\r\n"],
        "UIDL": lambda: numbered(b"%d key-%d" + b"x" * 60 + b"\r\n"),
    },
    "keys without end after no number": {
        "STAT": lambda: [b"-ERR\r\n"],
        "UIDL": lambda: numbered(b"%d key-%d" + b"x" * 60 + b"\r\n"),
    },
    "sizes without end": {"LIST": lambda: numbered(b"%d 5\r\n")},
    "a size beyond 64 bits": {"LIST": lambda: [b"+OK\r\n1 999999999999999999999999999\r\n.\r\n"]},
    "a negative size": {"LIST": lambda: [b"+OK\r\n1 -7\r\n.\r\n"]},
    "a count beyond belief": {"STAT": lambda: [b"+OK 4000000000 1\r\n"]},
    "a message without end": {"RETR": lambda: itertools.chain([b"+OK\r\n"], endless(b"X" * 998 + b"\r\n"))},
    "a line of a message without end": {
        "RETR": lambda: itertools.chain([b"+OK\r\n"], endless(b"X" * 100_000))
    },
    "dots without end": {"RETR": lambda: itertools.chain([b"+OK\r\n"], endless(b"\r\n.." * 10_000))},
    "a message that drips": {"RETR": lambda: itertools.chain([b"+OK\r\n"], drips(MESSAGE * 1000))},
    "a message that trickles": {"RETR": lambda: itertools.chain([b"+OK\r\n"], trickles(MESSAGE * 1000))},
    "a reply that drips": {"PASS": lambda: drips(b"+OK" + b"x" * 60_000)},
    "keys that drip": {
        "UIDL": lambda: itertools.chain([b"+OK\r\n"], drips(b"1 key-1\r\n2 key-2\r\n" * 1000))
    },
}
"""Each must end a run with one sentence."""

_STATE = b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"
_FILLING = b"Z" * 100_000
_FLAGS = b"* %d FETCH (FLAGS (" + b"x" * 300 + b"))\r\n"
_ROW = b'* %d FETCH (UID %d RFC822.SIZE 5 INTERNALDATE " 1-Jan-2024 00:00:00 +0000" FLAGS ())\r\n'
IMAP: dict[str, Answers] = {
    "a greeting line without end": {"": lambda: itertools.chain([b"* OK "], endless(b"A" * 100_000))},
    "untagged lines without end": {"LOGIN": lambda: numbered(_FLAGS, b"")},
    "continuations without end": {"LOGIN": lambda: endless(b"+ go on\r\n" * 100)},
    "capabilities without end": {"CAPABILITY": lambda: endless(b"* CAPABILITY " + b"X" * 900 + b"\r\n")},
    "folders without end": {"LIST": lambda: numbered(b'* LIST () "/" "f%d' + b"y" * 300 + b'"\r\n', b"")},
    "a folder's name as a literal of 4 GB": {
        "LIST": lambda: itertools.chain([b'* LIST () "/" {4000000000}\r\n'], endless(_FILLING))
    },
    "4 billion messages": {"SELECT": lambda: [_STATE % 4_000_000_000, b"OK\r\n"]},
    "10 million messages of which one is listed": {"SELECT": lambda: [_STATE % 10_000_000, b"OK\r\n"]},
    "a count of 5,000 digits": {"SELECT": lambda: [b"* " + b"9" * 5000 + b" EXISTS\r\n", b"OK\r\n"]},
    "rows without end": {"FETCH": lambda: numbered(_ROW, b"")},
    "a literal of 4 GB among flags": {
        "FETCH": lambda: itertools.chain([b"* 1 FETCH (UID 1 FLAGS {4000000000}\r\n"], endless(_FILLING))
    },
    "literals without end": {
        "FETCH": lambda: endless(b"* 1 FETCH (UID 1 FLAGS {15000000}\r\n" + b"Z" * 15_000_000 + b")\r\n")
    },
    "a body of 4 GB": {
        "UID FETCH": lambda: itertools.chain([b"* 1 FETCH (UID 1 BODY[] {4000000000}\r\n"], endless(_FILLING))
    },
    "bodies without end": {
        "UID FETCH": lambda: endless(b"* 1 FETCH (UID 1 BODY[] {15000000}\r\n" + b"Z" * 15_000_000 + b")\r\n")
    },
    "pieces without end": {
        "UID FETCH": lambda: [
            b"* 1 FETCH (UID 1 BODY[]<0> {4194304}\r\n" + b"Z" * 4_194_304 + b")\r\n",
            b"OK\r\n",
        ]
    },
    "a message that drips": {
        "UID FETCH": lambda: itertools.chain([b"* 1 FETCH (UID 1 BODY[] {500000}\r\n"], drips(b"Z" * 500_000))
    },
    "a message that trickles": {
        "UID FETCH": lambda: itertools.chain(
            [b"* 1 FETCH (UID 1 BODY[] {500000}\r\n"], trickles(b"Z" * 500_000)
        )
    },
    "untagged lines that drip": {"UID FETCH": lambda: drips(b"* OK still here\r\n" * 10_000)},
    "namespaces without end": {
        "CAPABILITY": lambda: [b"* CAPABILITY IMAP4rev1 NAMESPACE UIDPLUS\r\n", b"OK\r\n"],
        "NAMESPACE": lambda: itertools.chain([b"* NAMESPACE (("], endless(b'"a." ".")(' * 1000)),
    },
    "many namespaces": {
        "CAPABILITY": lambda: [b"* CAPABILITY IMAP4rev1 NAMESPACE UIDPLUS\r\n", b"OK\r\n"],
        "NAMESPACE": lambda: [b"* NAMESPACE NIL (" + b'("a." ".")' * 5000 + b") NIL\r\n", b"OK\r\n"],
    },
    "labels without end": {
        "CAPABILITY": lambda: [b"* CAPABILITY IMAP4rev1 X-GM-EXT-1\r\n", b"OK\r\n"],
        "LIST": lambda: [b'* LIST (\\All) "/" "[Gmail]/All Mail"\r\n', b"OK\r\n"],
        "FETCH": lambda: itertools.chain([b"* 1 FETCH (UID 1 X-GM-LABELS ("], endless(b'"a" ' * 1000)),
    },
    "ranges of found messages beyond belief": {
        "UID FETCH": lambda: [b"OK\r\n"],
        "UID SEARCH": lambda: [b"* ESEARCH UID ALL " + b"1:900000," * 9000 + b"1\r\n", b"OK\r\n"],
    },
    "a literal in place of a count": {
        "SELECT": lambda: [b"* 1 EXISTS {1}\r\nx\r\n* OK [UIDVALIDITY 7] x\r\n", b"OK\r\n"]
    },
    "a literal among found messages": {
        "UID SEARCH": lambda: [b"* SEARCH {1}\r\n1\r\n", b"OK\r\n"],
        "UID FETCH": lambda: [b"OK\r\n"],
    },
    "found messages that are none": {
        "UID SEARCH": lambda: [b"* SEARCH 1 x -3\r\n", b"OK\r\n"],
        "UID FETCH": lambda: [b"OK\r\n"],
    },
}
"""Each must end a run with one sentence. "OK" is sent as the tagged completion, "OK+" with more behind it."""


DELETING_POP3: dict[str, Answers] = {
    f"{command}: {name}": {command: chunks}
    for command in ("DELE", "QUIT")
    for name, chunks in (
        ("a line without end", lambda: endless(b"+OK " + b"A" * 100_000)),
        ("a refusal without end", lambda: endless(b"-ERR " + b"z" * 100_000)),
        ("a line that drips", lambda: drips(b"+OK" + b"x" * 60_000)),
        ("no answer", list),
    )
}
"""Each must end a deletion with one sentence."""
DELETING_IMAP: dict[str, Answers] = {
    f"{command}: {name}": {command: chunks}
    for command in ("UID STORE", "UID EXPUNGE", "UID SEARCH")
    for name, chunks in (
        ("untagged lines without end", lambda: numbered(_FLAGS, b"")),
        ("a line without end", lambda: endless(_FILLING)),
        ("expunged messages without end", lambda: endless(b"* 1 EXPUNGE\r\n" * 1000)),
        ("a literal of 4 GB", lambda: itertools.chain([b"* 1 FETCH (X {4000000000}\r\n"], endless(_FILLING))),
        ("lines that drip", lambda: drips(b"* 1 EXPUNGE\r\n" * 10_000)),
        ("no answer", list),
    )
}
"""The same. UID SEARCH shows which messages are gone."""


class Listener:
    """Listens on loopback, with a thread for each client; use as a context manager."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._speak, args=(client,), daemon=True).start()

    @abstractmethod
    def _speak(self, client: socket.socket) -> None:
        """Answer a client until it closes the connection."""


class HostileServer(Listener):
    """Listens on loopback and answers by a row of POP3 or IMAP; use as a context manager.

    With a PEM file of certificate and key, IMAP offers STARTTLS.
    """

    def __init__(self, protocol: str, answers: Answers, certificate: Path | None = None) -> None:
        self._certificate = certificate
        self._session = self._pop3 if protocol == "pop3" else self._imap
        self._answers = answers
        super().__init__()
        self.commands: list[str] = []

    def _speak(self, client: socket.socket) -> None:
        client.settimeout(30)
        try:
            with client, client.makefile("rb") as lines:
                self._session(client, lines)
        except OSError:
            return  # the client has closed the connection, as it should

    def _say(self, client: socket.socket, command: str, usual: Chunks, tag: bytes = b"") -> None:
        self.commands.append(command)
        for chunk in self._answers.get(command, lambda: usual)():
            if tag and chunk.startswith((b"OK\r\n", b"OK+")):
                chunk = tag + b" OK done\r\n" + chunk[3:].lstrip(b"\n")
            client.sendall(chunk)

    def _pop3(self, client: socket.socket, lines: Iterable[bytes]) -> None:
        self._say(client, "", [b"+OK hello\r\n"])
        usual: dict[str, Chunks] = {
            "CAPA": [b"+OK\r\nUIDL\r\nPIPELINING\r\nUSER\r\n.\r\n"],
            "STAT": [b"+OK 1 %d\r\n" % len(MESSAGE)],
            "UIDL": [b"+OK\r\n1 key-1\r\n.\r\n"],
            "LIST": [b"+OK\r\n1 %d\r\n.\r\n" % len(MESSAGE)],
            "RETR": [b"+OK\r\n" + MESSAGE + b".\r\n"],
        }
        for line in lines:
            command = line.split()[0].decode().upper()
            self._say(client, command, usual.get(command, [b"+OK\r\n"]))

    def _imap(self, client: socket.socket, lines: Iterable[bytes], *, greet: bool = True) -> None:
        if greet:
            self._say(client, "", [b"* OK hello\r\n"])
        row = b'* 1 FETCH (UID 1 RFC822.SIZE %d INTERNALDATE " 1-Jan-2024 00:00:00 +0000" FLAGS ())\r\n'
        usual: dict[str, list[bytes]] = {
            "CAPABILITY": [b"* CAPABILITY IMAP4rev1 UIDPLUS\r\n"],
            "LIST": [b'* LIST (\\HasNoChildren) "/" "INBOX"\r\n'],
            "SELECT": [b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"],
            "FETCH": [row % len(MESSAGE)],
            "UID FETCH": [b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % len(MESSAGE) + MESSAGE + b")\r\n"],
            "UID SEARCH": [b"* SEARCH 1\r\n"],
        }
        if self._certificate and not isinstance(client, ssl.SSLSocket):
            usual["CAPABILITY"] = [b"* CAPABILITY IMAP4rev1 STARTTLS\r\n"]
        for line in lines:
            tag, *words = line.split()
            command = words[0].decode().upper()
            if command == "UID":
                command = f"UID {words[1].decode().upper()}"
            self._say(client, command, [*usual.get(command, []), b"OK\r\n"], tag)
            if command == "UID EXPUNGE":
                usual["UID SEARCH"] = [b"* SEARCH\r\n"]
            if command == "STARTTLS" and self._certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self._certificate)
                with context.wrap_socket(client, server_side=True) as secured, secured.makefile("rb") as more:
                    self._imap(secured, more, greet=False)
                return


class HostileHttp(Listener):
    """Answers each HTTP request with the same bytes and closes; with a certificate, it uses TLS.

    A request for which `honest` has an answer gets that instead.
    """

    def __init__(
        self,
        answer: Callable[[], Chunks],
        certificate: Path | None = None,
        honest: Callable[[bytes], bytes] = lambda request: b"",
    ) -> None:
        self._answer = answer
        self._honest = honest
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        super().__init__()

    def _speak(self, client: socket.socket) -> None:
        client.settimeout(30)
        try:
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
            with client, client.makefile("rb") as lines:
                length = 0
                while line := lines.readline().strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                honest = self._honest(lines.read(length))
                for chunk in [honest] if honest else self._answer():
                    client.sendall(chunk)
        except OSError:
            return  # the client has closed the connection, as it should


def _gzip_bomb() -> bytes:
    """Two billion spaces in two megabytes."""
    return gzip.compress(b" " * (1 << 20), 9) * 2000


def _http(*fields: bytes, status: bytes = b"200 OK") -> bytes:
    lines = (b"HTTP/1.1 " + status, b"Content-Type: application/json", b"Connection: close", *fields)
    return b"\r\n".join((*lines, b"", b""))


def there(request: bytes) -> bytes:
    """Graph's answer to a batch that asks where a message is: in its folder. b"" for other requests."""
    if b"parentFolderId" not in request:
        return b""
    answer = {"id": "0", "status": 200, "body": {"id": "one", "parentFolderId": "inbox"}}
    return _http() + json.dumps({"responses": [answer]}).encode()


HTTP: dict[str, Callable[[], Chunks]] = {
    "an answer without end": lambda: itertools.chain([_http(), b'{"value":["'], endless(_FILLING)),
    "chunks without end": lambda: itertools.chain(
        [_http(b"Transfer-Encoding: chunked")], endless(b"186a0\r\n" + _FILLING + b"\r\n")
    ),
    "an error without end": lambda: itertools.chain([_http(status=b"403 Forbidden")], endless(_FILLING)),
    "a compressed bomb": lambda: [_http(b"Content-Encoding: gzip"), _gzip_bomb()],
    "header fields without end": lambda: itertools.chain(
        [_http()[:-2]], endless(b"X-A: " + b"b" * 60_000 + b"\r\n")
    ),
    "answers ahead of the answer, without end": lambda: endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "a header that drips": lambda: itertools.chain([_http()[:-2]], drips(b"X-A: " + b"b" * 60_000)),
    "an answer that drips": lambda: itertools.chain([_http()], drips(b'{"value":[]}' + b" " * 100_000)),
    "brackets without end": lambda: [_http(), b"[" * 1_000_000],
    "no JSON and no XML": lambda: [_http(), b"hello"],
    "nothing behind half a header": lambda: [b"HTTP/1.1 200 OK\r\nContent-Type: appl"],
    "a list that is none": lambda: [_http(), b'{"value": 7, "responses": [[]]}'],
    "a number of 5,000 digits": lambda: [_http(), b'{"value": [' + b"9" * 5000 + b"]}"],
    "entries without ids": lambda: [_http(), b'{"value": [{"mail": "a@example.com"}], "responses": [{}]}'],
}
"""Answers to any request of Graph or EWS; each must end a run with one sentence."""

"""A small IMAP server on a real socket, for behaviour that no server has that can be installed here.

It has Gmail's labels (X-GM-EXT-1), according to
https://developers.google.com/workspace/gmail/imap/imap-extensions: each message is once in All Mail and is
also shown in a folder for each label. X-GM-LABELS names the labels, except that of the selected folder. A
message that is moved to the trash has no other label and leaves All Mail. It can also know only IMAP4rev2,
and answer with ESEARCH (RFC 9051, 7.3.4), greet with PREAUTH, end its lines with LF, and refuse with any
text.

It does not cover: Gmail's limits of traffic and of connections, its settings for expunging (it removes a
label here), X-GM-MSGID and X-GM-THRID, messages that arrive during a session, parallel sessions, flags, IDLE,
CONDSTORE, MULTIAPPEND, SEARCH by anything but UIDs. Only the server sends literals.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GMAIL = (
    "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE "
    "MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584"
)
"""The capabilities of imap.gmail.com, without CONDSTORE, which this double does not have."""
ALL, SPAM, TRASH = "[Gmail]/All Mail", "[Gmail]/Spam", "[Gmail]/Trash"


@dataclass
class Message:
    """One message, and the folders that show it."""

    body: bytes
    folders: set[str]
    uid: int = 0


@dataclass
class ImapDouble:
    """Serves one connection after the other; use as a context manager.

    `override(command, argument)` can return another answer: lines, of which the last one is the tagged one
    without its tag. None means the usual answer, and [] closes the connection.
    """

    folders: dict[str, str] = field(default_factory=lambda: {"INBOX": ""})
    """The folders' names as they are sent, with their attributes."""
    messages: list[Message] = field(default_factory=list)
    capabilities: str = "IMAP4rev1 UIDPLUS NAMESPACE"
    namespace: str = '(("" "/")) NIL NIL'
    greeting: str = "* OK ready"
    eol: bytes = b"\r\n"
    gmail: bool = False
    certificate: Path | None = None
    override: Callable[[str, str], list[str] | None] = lambda command, argument: None
    commands: list[str] = field(default_factory=list)
    port: int = 0
    _uid: int = 0

    def __enter__(self) -> ImapDouble:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def put(self, body: bytes, *folders: str) -> Message:
        """Another message, in these folders."""
        self._uid += 1
        message = Message(body, set(folders), self._uid)
        self.messages.append(message)
        return message

    def within(self, folder: str) -> list[Message]:
        """The messages that a folder shows."""
        if self.gmail and folder == ALL:
            return [one for one in self.messages if not one.folders & {SPAM, TRASH}]
        return [one for one in self.messages if folder in one.folders]

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                client.settimeout(10)
                if self.certificate:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(self.certificate)
                    client = context.wrap_socket(client, server_side=True)
                with client, client.makefile("rb") as lines:
                    _Session(self, client).run(lines)
            except OSError:
                continue


class _Session:
    """One connection."""

    def __init__(self, server: ImapDouble, client: socket.socket) -> None:
        self._server = server
        self._client = client
        self._selected = ""

    def run(self, lines: Iterator[bytes]) -> None:
        """Answer until the client closes the connection."""
        server = self._server
        self._say(server.greeting)
        if server.greeting.startswith("* BYE"):
            return
        for line in lines:
            tag, _, rest = line.decode().strip().partition(" ")
            command, _, argument = rest.partition(" ")
            if command == "UID":
                more, _, argument = argument.partition(" ")
                command = f"UID {more}"
            server.commands.append(f"{command} {argument}".strip())
            answer = server.override(command, argument)
            if answer is None:
                self._usual(tag, command, argument, lines)
                continue
            for said in answer[:-1]:
                self._say(said)
            if not answer or answer[-1].startswith("* BYE"):
                self._say(*answer[-1:])
                return
            self._say(f"{tag} {answer[-1]}")

    def _usual(self, tag: str, command: str, argument: str, lines: Iterator[bytes]) -> None:
        if command == "AUTHENTICATE":
            self._say("+ ")
            next(lines)
        else:
            for said in self._answer(command, argument):
                self._send(said if isinstance(said, bytes) else said.encode() + self._server.eol)
        self._say(f"{tag} OK done")

    def _answer(self, command: str, argument: str) -> Iterator[str | bytes]:
        server = self._server
        if command == "CAPABILITY":
            yield f"* CAPABILITY {server.capabilities}"
        elif command == "NAMESPACE":
            yield f"* NAMESPACE {server.namespace}"
        elif command == "LIST":
            pattern = re.findall(r'"([^"]*)"', argument)[1]
            for name, flags in server.folders.items():
                if re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name):
                    yield f'* LIST ({flags}) "/" "{name}"'
        elif command in ("SELECT", "EXAMINE"):
            self._selected = argument.partition('"')[2].partition('"')[0]
            yield f"* {len(server.within(self._selected))} EXISTS"
            yield "* OK [UIDVALIDITY 7] x"
        elif command in ("FETCH", "UID FETCH"):
            yield from self._fetch(command, argument)
        elif command == "UID SEARCH":
            found = [one.uid for one in self._chosen(argument.split()[-1], by_uid=True)]
            if "IMAP4rev1" in server.capabilities:
                yield f"* SEARCH {' '.join(map(str, found))}"
            else:
                yield '* ESEARCH (TAG "x") UID' + (f" ALL {','.join(map(str, found))}" if found else "")
        elif command == "UID EXPUNGE":
            for one in self._chosen(argument, by_uid=True):
                one.folders.discard(self._selected)
        elif command == "UID MOVE":
            numbers, _, folder = argument.partition(" ")
            for one in self._chosen(numbers, by_uid=True):
                one.folders = {folder.strip('"')}

    def _fetch(self, command: str, argument: str) -> Iterator[str | bytes]:
        numbers, _, wanted = argument.partition(" ")
        there = self._server.within(self._selected)
        for one in self._chosen(numbers, by_uid=command == "UID FETCH"):
            number = there.index(one) + 1
            if "BODY.PEEK[]" in wanted:
                piece = re.search(r"<(\d+)\.(\d+)>", wanted)
                start = int(piece[1]) if piece else 0
                body = one.body[start : start + int(piece[2])] if piece else one.body
                head = (
                    f"* {number} FETCH (UID {one.uid} BODY[]{f'<{start}>' if piece else ''} {{{len(body)}}}"
                )
                yield head.encode() + self._server.eol + body + b")" + self._server.eol
                continue
            labels = " X-GM-LABELS (" + self._labels(one) + ")" if "X-GM-LABELS" in wanted else ""
            yield (
                f"* {number} FETCH (UID {one.uid}{labels} RFC822.SIZE {len(one.body)} "
                'INTERNALDATE " 1-Feb-2024 00:00:00 +0000" FLAGS (\\Seen))'
            )

    def _labels(self, one: Message) -> str:
        """A message's labels as quoted strings; a system label begins with a backslash, which is escaped."""
        system = {
            "INBOX": "Inbox",
            "[Gmail]/Sent Mail": "Sent",
            "[Gmail]/Drafts": "Draft",
            "[Gmail]/Starred": "Starred",
            "[Gmail]/Important": "Important",
        }
        names = sorted(one.folders - {self._selected, ALL})
        return " ".join(rf'"\\{system[name]}"' if name in system else f'"{name}"' for name in names)

    def _chosen(self, numbers: str, *, by_uid: bool) -> Sequence[Message]:
        there = self._server.within(self._selected)
        wanted: set[int] = set()
        for run in numbers.split(","):
            first, _, last = run.partition(":")
            wanted.update(range(int(first), int(last or first) + 1))
        return [one for n, one in enumerate(there, 1) if (one.uid if by_uid else n) in wanted]

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._send(line.encode() + self._server.eol)

    def _send(self, data: bytes) -> None:
        self._client.sendall(data)


def gmail(**more: object) -> ImapDouble:
    """A mailbox at Gmail, without messages."""
    folders = {
        "INBOX": "\\HasNoChildren",
        "Kunden": "\\HasChildren",
        "Kunden/Alt": "\\HasNoChildren",
        "[Gmail]": "\\HasChildren \\Noselect",
        ALL: "\\All \\HasNoChildren",
        "[Gmail]/Drafts": "\\Drafts \\HasNoChildren",
        "[Gmail]/Important": "\\HasNoChildren \\Important",
        "[Gmail]/Sent Mail": "\\HasNoChildren \\Sent",
        SPAM: "\\HasNoChildren \\Junk",
        "[Gmail]/Starred": "\\Flagged \\HasNoChildren",
        TRASH: "\\HasNoChildren \\Trash",
    }
    capabilities = GMAIL.replace(" CONDSTORE", "")
    return ImapDouble(folders=folders, capabilities=capabilities, gmail=True, **more)  # type: ignore[arg-type]

"""A small POP3 server for behaviour that a good server can't be made to show."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Self

Answer = bytes | None


class FakePop3:
    """Serves `messages` to one connection after the other; use as a context manager.

    `override(command)` can return another answer, b"" to close the connection, or None for the usual answer.
    `commands` are the received commands. `ahead` is whether one came before the previous one was answered.
    """

    def __init__(
        self,
        messages: Sequence[bytes] = (),
        *,
        capabilities: Sequence[str] = ("UIDL", "USER"),
        override: Callable[[str], Answer] = lambda _: None,
        greeting: bytes = b"+OK ready\r\n",
    ) -> None:
        self.messages = list(messages)
        self.commands: list[str] = []
        self.ahead = False
        self._capabilities = capabilities
        self._override = override
        self._greeting = greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                with client:
                    client.settimeout(10)
                    self._session(client)
            except OSError:
                continue

    def _session(self, client: socket.socket) -> None:
        client.sendall(self._greeting)
        buffer = b""
        while True:
            while b"\r\n" not in buffer:
                data = client.recv(65536)
                if not data:
                    return
                buffer += data
            line, _, buffer = buffer.partition(b"\r\n")
            self.ahead = self.ahead or bool(buffer)
            command = line.decode()
            self.commands.append(command)
            answer = self._override(command)
            if answer is None:
                answer = self._usual(command)
            if not answer:
                return
            client.sendall(answer)
            if command == "QUIT":
                return

    def _usual(self, command: str) -> bytes:
        verb, _, argument = command.partition(" ")
        numbers = range(1, len(self.messages) + 1)
        if verb == "CAPA":
            return multiline(*(c.encode() for c in self._capabilities))
        if verb == "UIDL":
            return multiline(*(b"%d key-%d" % (n, n) for n in numbers))
        if verb == "LIST":
            return multiline(*(b"%d %d" % (n, len(self.messages[n - 1])) for n in numbers))
        if verb == "RETR":
            return b"+OK here\r\n" + stuffed(self.messages[int(argument) - 1]) + b".\r\n"
        if verb in ("USER", "PASS", "DELE", "QUIT", "NOOP"):
            return b"+OK\r\n"
        return b"-ERR unknown command\r\n"


def multiline(*lines: bytes) -> bytes:
    """A positive answer of several lines."""
    return b"".join(line + b"\r\n" for line in (b"+OK", *lines, b"."))


def stuffed(message: bytes) -> bytes:
    """A message in the form in which it is sent: a dot at the beginning of a line is doubled."""
    return (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]

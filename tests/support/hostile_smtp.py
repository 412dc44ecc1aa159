"""SMTP servers whose replies are endless, or far too slow."""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

from support.hostile_servers import Chunks, Listener, drips, endless

STAGES = {
    "": b"220",
    "EHLO": b"250",
    "STARTTLS": b"220",
    "AUTH": b"235",
    "MAIL": b"250",
    "RCPT": b"250",
    "DATA": b"354",
    ".": b"250",
    "QUIT": b"221",
}
"""The code with which each command succeeds; "" is the greeting and "." the end of a message."""


def _lines(code: bytes) -> Chunks:
    return endless(code + b"-" + b"x" * 200 + b"\r\n")


def _line(code: bytes) -> Chunks:
    return itertools.chain([code + b"-"], endless(b"x" * 100_000))


def _drips(code: bytes) -> Chunks:
    return drips((code + b"-wait\r\n") * 10_000)


REPLIES: dict[str, Callable[[bytes], Chunks]] = {
    "lines without end": _lines,
    "a line without end": _line,
    "lines that drip": _drips,
}
"""Replies instead of an honest one, by its code."""
OTHERS: dict[str, tuple[str, Callable[[], Chunks]]] = {
    "a handshake that drips": (
        "STARTTLS",
        lambda: itertools.chain([b"220 go on\r\n\x16\x03\x03\x40\x00"], drips(bytes(10_000))),
    ),
    "challenges without end": ("AUTH", lambda: [b"334 \r\n" * 100]),
    "an invalid challenge": ("AUTH", lambda: [b"334 a\r\n"]),
    "a code that is none": ("MAIL", lambda: [b"\xff\xff\xff-\r\n"]),
}
"""Further replies, and the command that each answers."""


class HostileSmtp(Listener):
    """Listens on loopback, and answers one command with `reply`; use as a context manager.

    `stage` is a key of STAGES. With a PEM file of certificate and key, it speaks TLS from the start.
    """

    def __init__(self, stage: str, reply: Callable[[], Chunks], certificate: Path | None = None) -> None:
        self._stage = stage
        self._reply = reply
        self._certificate = certificate
        super().__init__()

    def _speak(self, client: socket.socket) -> None:
        client.settimeout(30)
        try:
            if self._certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self._certificate)
                client = context.wrap_socket(client, server_side=True)
            with client, client.makefile("rb") as lines:
                self._session(client, lines)
        except OSError:
            return  # the client has closed the connection, as it should

    def _session(self, client: socket.socket, lines: Iterable[bytes]) -> None:
        self._say(client, "")
        inside = False
        for line in lines:
            command = line.split()[0].decode("latin-1").upper() if line.strip() else ""
            if inside and line != b".\r\n":
                continue
            self._say(client, command)
            inside = command == "DATA"

    def _say(self, client: socket.socket, command: str) -> None:
        if command == self._stage:
            for chunk in self._reply():
                client.sendall(chunk)
        elif command == "EHLO":
            tls = b"250-STARTTLS\r\n" if self._stage == "STARTTLS" else b""
            client.sendall(b"250-hello\r\n" + tls + b"250 AUTH PLAIN XOAUTH2\r\n")
        else:
            client.sendall(STAGES.get(command, b"502") + b" so\r\n")

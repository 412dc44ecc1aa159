"""Receivers of the audit feed: a real syslog-ng over TLS, and one that behaves as a test says."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from support.certs import ServerCertificate
from support.dovecot import free_ports
from support.real_servers import UNPACKED

PROGRAM = UNPACKED / "usr" / "sbin" / "syslog-ng"
_CONF = """\
@version: 3.38
options {{ keep-hostname(yes); log-msg-size(65536); stats-freq(0); }};
source s {{ syslog(ip("127.0.0.1") port({port}) transport("tls") max-connections(10) log-iw-size(1000)
  tls(key-file("{key}") cert-file("{chain}") {peers})); }};
destination d {{ file("{folder}/events" template("$(format-json --scope rfc5424 --scope sdata)\\n")); }};
log {{ source(s); destination(d); }};
"""


@dataclass
class SyslogNg:
    """A syslog-ng with TLS on loopback, which writes what it receives to a file."""

    folder: Path
    certificate: ServerCertificate
    clients: Path | None = None
    """The authority for certificates of clients; None if they need none."""
    port: int = field(default_factory=lambda: free_ports(1)[0])

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it inside the context; it can be started again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        peers = "peer-verify(optional-untrusted)"
        if self.clients:
            peers = f'peer-verify(required-trusted) ca-file("{self.clients}")'
        conf = self.folder / "syslog-ng.conf"
        conf.write_text(
            _CONF.format(
                port=self.port,
                key=self.certificate.key,
                chain=self.certificate.chain,
                folder=self.folder,
                peers=peers,
            )
        )
        with (self.folder / "log").open("wb") as log:  # a pipe that nobody reads would stop it
            process = subprocess.Popen(self._words(conf), env=self._environment(), stderr=log)
        try:
            self._await(process)
            yield
        finally:
            process.terminate()
            process.wait()

    def events(self) -> list[dict[str, Any]]:
        """What it has written so far."""
        with suppress(FileNotFoundError):
            lines = (self.folder / "events").read_text().splitlines()
            return [json.loads(line) for line in lines]
        return []

    def numbers(self) -> list[int]:
        """The numbers of the events that it has written so far."""
        return [int(event["_SDATA"]["meta"]["sequenceId"]) for event in self.events()]

    def _words(self, conf: Path) -> list[str]:
        modules = next((UNPACKED / "usr" / "lib" / "syslog-ng").glob("[0-9]*"))  # named by its version
        files = (
            "-f",
            conf,
            "-p",
            self.folder / "pid",
            "-c",
            self.folder / "ctl",
            "-R",
            self.folder / "state",
        )
        return [*map(str, (PROGRAM, "-F", "-e", "--no-caps", *files, f"--module-path={modules}"))]

    def _environment(self) -> dict[str, str]:
        libraries = UNPACKED / "usr" / "lib"
        places = [libraries / "syslog-ng", *libraries.glob("*-linux-gnu")]
        return os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, places))}

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 30
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
                return
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"syslog-ng did not start: {(self.folder / 'log').read_text(errors='replace')}")
            time.sleep(0.05)


def require_syslog_ng() -> None:
    """Skip the test if syslog-ng is not unpacked; in continuous integration, fail."""
    if PROGRAM.exists():
        return
    message = "needs syslog-ng, which `sh tools/servers.sh test` unpacks"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


Behaviour = Literal["whole", "no-end", "silent", "deaf", "early", "talks"]
"""How a receiver ends a connection: it reads all and ends in order; the same without the end of TLS; it reads
all and ends nothing; it reads nothing and closes; it says its end first and reads nothing; it sends data."""


class Receiver:
    """A receiver in this process. A context that listens."""

    def __init__(
        self,
        certificate: ServerCertificate | None,
        behaviour: Behaviour = "whole",
        *,
        newest: bool = True,
        strict: bool = False,
    ) -> None:
        """With `newest`, it speaks TLS 1.3, else 1.2. With `strict`, it wants a certificate of the client."""
        self.behaviour: Behaviour = behaviour
        self._streams: list[bytes] = []
        self.connections = 0
        self.on_read: Callable[[], None] = lambda: None
        """Called when a connection's events are read, before the connection is ended."""
        self.ended = threading.Event()
        """Set when it has said its end early."""
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(certificate.certificate)
            if strict:
                self._context.verify_mode = ssl.CERT_REQUIRED
                self._context.load_verify_locations(certificate.authority)
            if not newest:
                self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._free = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def received(self) -> list[bytes]:
        """The messages of all connections, without their lengths."""
        return [message for stream in self._streams for message in unframed(stream)]

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._free.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError, ValueError), plain:
                self.connections += 1
                plain.settimeout(20)
                if self._context is None:
                    self._answer(plain)
                else:
                    with self._context.wrap_socket(plain, server_side=True) as secured:
                        self._answer(secured)

    def _answer(self, sock: socket.socket) -> None:
        if self.behaviour == "deaf":
            time.sleep(0.2)  # the events are there, unread
            return
        if self.behaviour == "early":
            if isinstance(sock, ssl.SSLSocket):
                sock.settimeout(0)
                with suppress(OSError):
                    sock.unwrap()  # says its end, and waits for no other
            sock.shutdown(socket.SHUT_WR)
            self.ended.set()
            self._free.wait()
            return
        if self.behaviour == "talks":
            sock.sendall(b"hello\r\n" * 20_000)
        self._read(sock)
        self.on_read()
        if self.behaviour == "silent":
            self._free.wait()
        elif self.behaviour != "no-end" and isinstance(sock, ssl.SSLSocket):
            sock.unwrap()

    def _read(self, sock: socket.socket) -> None:
        data = b""
        while part := sock.recv(65536):
            data += part
        self._streams.append(data)


def unframed(data: bytes) -> list[bytes]:
    """The messages in a stream with lengths in front (RFC 5425 4.3)."""
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        assert length.isdigit()
        assert not length.startswith(b"0")
        found.append(rest[: int(length)])
        assert len(found[-1]) == int(length), "a message is cut"
        data = rest[int(length) :]
    return found

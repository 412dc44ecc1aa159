"""A real Dovecot on loopback: POP3 and IMAP, plain, STARTTLS and TLS, with temporary state.

It works as root (mail then belongs to the account `nobody`) and as an ordinary user. One server serves a
whole test session; every test makes its own mailboxes in it.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import grp
import itertools
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from support.dovecot_conf import configuration, shared, version

PACKAGES = "dovecot-core dovecot-imapd dovecot-pop3d"
LIBEXEC = Path("/usr/lib/dovecot")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One account: its name, its password, and its Maildir on disk."""

    name: str
    password: str
    path: Path
    owner: tuple[int, int] | None

    def put(self, messages: Iterable[bytes]) -> list[str]:
        """Deliver messages through `tmp/`, as a mail server does; returns the file names."""
        names = []
        for message in messages:
            name = f"{time.time_ns()}.{next(_COUNTER)}.test"
            path = self.path / "tmp" / name
            path.write_bytes(message)
            if self.owner:
                os.chown(path, *self.owner)
            path.rename(self.path / "new" / name)
            names.append(name)
        return names

    def files(self) -> list[Path]:
        """The messages that are there now."""
        return [p for sub in ("new", "cur") for p in (self.path / sub).iterdir()]


_COUNTER = itertools.count()


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of a certificate, its key and its authority."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path, *names: str, days: int = 30) -> Certificates:
    """A fresh authority and a server certificate for `names`; with negative days it has expired."""
    authority = trustme.CA()
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    leaf = authority.issue_cert(*names, not_before=until - datetime.timedelta(days=365), not_after=until)
    certificates = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(certificates.authority))
    leaf.cert_chain_pems[0].write_to_path(str(certificates.certificate))
    leaf.private_key_pem.write_to_path(str(certificates.key))
    return certificates


class Dovecot:
    """A running server; use as a context manager."""

    def __init__(
        self,
        *,
        ssl: bool = True,
        names: Iterable[str] = ("localhost", "127.0.0.1"),
        days: int = 30,
        extra: str = "",
        sharing: bool = False,
    ) -> None:
        """Set the options; with `sharing`, people can share their folders with others."""
        self.folder = Path(tempfile.mkdtemp(prefix="muniment-dovecot-"))
        self.host = "127.0.0.1"
        self.imap, self.imaps, self.pop3, self.pop3s = free_ports(4)
        self.certificates = make_certificates(self.folder, *names, days=days)
        self._owner = _mail_owner()
        self._ssl = ssl
        self._extra = extra + (shared(version(_binary()), self.folder) if sharing else "")
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Dovecot:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Write the configuration and start the server; returns when its ports answer."""
        for name in ("run", "state", "mail", "home", "accounts"):
            (self.folder / name).mkdir(exist_ok=True)
        for name in ("mail", "home"):
            self._give(self.folder / name)
        config = self.folder / "dovecot.conf"
        config.write_text(self._config())
        self.folder.chmod(0o755)
        self._server = subprocess.Popen(
            [_binary(), "-F", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._await_ports()

    def stop(self) -> None:
        """Stop the server and all its processes; the mailboxes stay."""
        if self._server is None:
            return
        self._server.terminate()
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        if self._server.stderr:
            self._server.stderr.close()
        self._server = None

    def mailbox(self, *, password: str | None = None, locked: bool = False, name: str = "") -> Mailbox:
        """A new account; with `locked`, a POP3 session excludes all other POP3 sessions."""
        name = name or f"mbx-{secrets.token_hex(16)}"
        password = secrets.token_urlsafe(12) if password is None else password
        path = self.folder / "mail" / name
        for folder in (path, *(path / sub for sub in ("new", "cur", "tmp"))):
            folder.mkdir()
            self._give(folder)
        secret = base64.b64encode(password.encode()).decode()
        extra = "userdb_pop3_lock_session=yes" if locked else ""
        # A file for each account: Dovecot would re-read a common one too late.
        (self.folder / "accounts" / name).write_text(f"{name}:{{PLAIN.b64}}{secret}::::::{extra}\n")
        (self.folder / "accounts" / name).chmod(0o644)
        return Mailbox(name, password, path, self._owner)

    def log(self) -> str:
        """The server's log so far."""
        return (self.folder / "log").read_text(errors="replace")

    def logged(self, text: str, within: float = 10.0) -> bool:
        """Whether the server logs `text` within `seconds`, since it writes its log with a delay."""
        deadline = time.monotonic() + within
        while text not in self.log():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _give(self, path: Path) -> None:
        if self._owner:
            os.chown(path, *self._owner)

    def _config(self) -> str:
        me = pwd.getpwuid(os.getuid()).pw_name
        group = grp.getgrgid(os.getgid()).gr_name
        root = os.getuid() == 0
        return configuration(
            version(_binary()),
            self._extra,
            folder=self.folder,
            internal="dovecot" if root else me,
            internal_group="dovecot" if root else group,
            login="dovenull" if root else me,
            mail="nobody" if root else me,
            mail_group="nogroup" if root else group,
            ssl="yes" if self._ssl else "no",
            imap=self.imap,
            imaps=self.imaps,
            pop3=self.pop3,
            pop3s=self.pop3s,
        )

    def _await_ports(self) -> None:
        deadline = time.monotonic() + 20
        for port in (self.imap, self.pop3):
            while not _answers(self.host, port):
                assert self._server is not None
                if self._server.poll() is not None or time.monotonic() > deadline:
                    self._server.kill()
                    said = self._server.stderr.read().decode() if self._server.stderr else ""
                    log = self.log() if (self.folder / "log").exists() else ""
                    pytest.fail(f"Dovecot did not start: {said}\n{log}")
                time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


def require_dovecot() -> None:
    """Skip the test if Dovecot is not installed; in continuous integration, fail."""
    if _binary() and all((LIBEXEC / name).exists() for name in ("imap", "pop3", "imap-login", "pop3-login")):
        return
    message = f"needs Dovecot: apt-get install --no-install-recommends {PACKAGES}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextlib.contextmanager
def running(**options: object) -> Iterator[Dovecot]:
    """A separate Dovecot, for tests that need another configuration."""
    require_dovecot()
    with Dovecot(**options) as server:  # type: ignore[arg-type]
        yield server


def dovecot_version() -> tuple[int, int]:
    """The version of the Dovecot that is installed, as (2, 4)."""
    return version(_binary())


def _binary() -> str:
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""


def _mail_owner() -> tuple[int, int] | None:
    if os.getuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=5) as sock:
            return bool(sock.recv(1))
    except OSError:
        return False

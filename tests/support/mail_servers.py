"""Real mail servers, each in a bare Debian of its own, set up by the recipes of docs/mail-servers.md."""

from __future__ import annotations

import os
import pwd
import re
import signal
import smtplib
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "debian.py"
RECIPES = ROOT / "docs" / "mail-servers.md"
ARCHIVE = "archive.example"
PACKAGES = {
    "postfix": ("postfix", "postfix-pcre"),
    "exim": ("exim4-daemon-light",),
    "opensmtpd": ("opensmtpd",),
}
KEPT = "MUNIMENT_MAIL_SERVERS"
"""A folder in which the Debians are kept from one run to the next."""


def recipe(name: str, port: int = 0) -> str:
    """A block of docs/mail-servers.md, for an archive that listens on `port` of this machine."""
    found = re.search(rf"<!-- {re.escape(name)} -->\n((?:    .*\n|\n)+)", RECIPES.read_text())
    assert found, f"docs/mail-servers.md has no block {name}"
    text = textwrap.dedent(found[1]).rstrip() + "\n"
    return text.replace(f"[{ARCHIVE}]:25", f"[127.0.0.1]:{port}")


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class MailServer:
    """A mail server that takes mail on a port of loopback."""

    def __init__(self, root: Path, start: str, user: str) -> None:
        self.root = root
        self.port = free_port()
        self.user = user
        self._start = start

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of its configuration."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def words(self, *words: str) -> list[str]:
        """The command line that runs words inside."""
        return [sys.executable, str(TOOL), "run", str(self.root), *words]

    def login(self) -> str:
        """How this machine calls the user who delivers; users inside have their own names."""
        entries = (line.split(":") for line in (self.root / "etc" / "passwd").read_text().splitlines())
        uid = next(int(entry[2]) for entry in entries if entry[0] == self.user)
        with suppress(KeyError):
            return pwd.getpwuid(uid).pw_name
        return str(uid)

    @contextmanager
    def running(self) -> Iterator[None]:
        """It runs until the end of the block."""
        log = self.root / "var" / "log" / "started"
        with log.open("wb") as said:
            process = subprocess.Popen(
                self.words("sh", "-c", self._start),
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
        try:
            self._wait(process, log)
            yield
        finally:
            with suppress(ProcessLookupError):  # the namespace, and all in it, ends with its first process
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            with suppress(OSError, smtplib.SMTPException), smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                return
            time.sleep(0.2)
        raise AssertionError(log.read_text())

    def send(self, data: bytes, recipients: Sequence[str], sender: str = "anna@contoso.example") -> None:
        """Hand it a message for some recipients."""
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example", timeout=60) as smtp:
            smtp.ehlo()
            for line in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in recipients)):
                assert smtp.docmd(line)[0] == 250, line
            assert smtp.docmd("DATA")[0] == 354
            smtp.send((b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n")
            code, text = smtp.getreply()
            assert code == 250, text


def debian_with(name: str, folder: Path) -> Path:
    """A Debian with a mail server; the test is skipped where none can be made."""
    kept = os.environ.get(KEPT)
    root = Path(kept or folder, name)
    if not (root / "etc").exists():
        done = subprocess.run(
            [sys.executable, str(TOOL), "make", "bookworm", str(root), *PACKAGES[name]],
            capture_output=True, text=True, timeout=1800,
        )  # fmt: skip
        if done.returncode == 2 and not os.environ.get("CI"):
            pytest.skip(done.stderr)
        assert done.returncode == 0, done.stderr
    return root


def postfix(root: Path, archive: int, lists: bool = False, always_bcc: str = "") -> MailServer:
    """Postfix by the recipe; it drops the mail for people, and copies it to the archive's port.

    `always_bcc`: the address that gets the copies, instead of one for each recipient.
    """
    server = MailServer(
        root, "rm -f /var/spool/postfix/pid/*; postsuper -d ALL; exec postfix start-fg", "postfix"
    )
    name = "postfix-lists" if lists else "postfix"
    hop = free_port()
    main = recipe(f"{name}: main.cf", archive).replace("10026", str(hop))
    if always_bcc:
        main = re.sub("(?m)^recipient_bcc_maps = .*$", f"always_bcc = {always_bcc}", main)
    server.put("etc/postfix/main.cf", _POSTFIX + main)
    server.put("etc/postfix/archive.pcre", recipe("postfix: archive.pcre"))
    server.put("etc/postfix/virtual", "board@contoso.example bob@contoso.example, eve@contoso.example\n")
    master = recipe(f"{name}: master.cf").replace("10026", str(hop))
    server.put("etc/postfix/master.cf", _POSTFIX_SERVICES.format(port=server.port) + master)
    return server


_POSTFIX = """
compatibility_level = 3.7
myhostname = mx.contoso.example
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
default_transport = discard
relay_transport = discard
alias_maps =
local_recipient_maps =
virtual_alias_maps = texthash:/etc/postfix/virtual
virtual_alias_domains =
smtpd_relay_restrictions = permit_mynetworks, reject
message_size_limit = 0
mailbox_size_limit = 0
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
maillog_file = /var/log/mail.log
smtp_tls_security_level =
smtp_destination_concurrency_failed_cohort_limit = 0
"""
_POSTFIX_SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
postlog   unix-dgram n  - n - 1 postlogd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 1 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
"""


def exim(root: Path, archive: int) -> MailServer:
    """Exim by the recipe; it drops the mail for people, and copies it to the archive's port."""
    server = MailServer(root, "exec exim4 -C /etc/exim.conf -bdf -q1s", "Debian-exim")
    router = (
        recipe("exim: router")
        .replace(f"* {ARCHIVE}", "* 127.0.0.1")
        .replace("unseen\n", "unseen\n  self = send\n")
    )
    transport = recipe("exim: transport").replace("port = 25", f"port = {archive}\n  allow_localhost")
    retry = recipe("exim: retry").replace(f"{ARCHIVE} * F,4d,5m", "* * F,1h,1s")
    server.put(
        "etc/exim.conf",
        _EXIM.format(
            acl=recipe("exim: acl"), port=server.port, router=router, transport=transport, retry=retry
        ),
    )
    return server


_EXIM = """
primary_hostname = mx.contoso.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
acl_smtp_rcpt = recipients
acl_smtp_data = accept
tls_advertise_hosts =
message_size_limit = 200M
queue_run_max = 5
never_users =
host_lookup =
rfc1413_query_timeout = 0s
begin acl
recipients:
{acl}
  accept
begin routers
{router}
board:
  driver = redirect
  local_parts = board
  domains = contoso.example
  data = bob@contoso.example, eve@contoso.example
people:
  driver = redirect
  data = :blackhole:
begin transports
{transport}
begin retry
{retry}
"""


def opensmtpd(root: Path, archive: int) -> MailServer:
    """OpenSMTPD by the recipe; it relays all mail to the archive's port."""
    server = MailServer(root, "exec smtpd -d -f /etc/smtpd.conf", "opensmtpd")
    text = recipe("opensmtpd: smtpd.conf").replace(f"{ARCHIVE}:25", f"127.0.0.1:{archive}")
    server.put("etc/mailname", "mx.contoso.example\n")
    server.put("etc/smtpd.conf", f"listen on 127.0.0.1 port {server.port}\n{text}")
    return server

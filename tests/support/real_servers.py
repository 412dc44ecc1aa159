"""Real mail servers other than Dovecot, on loopback, with temporary state: Cyrus, Courier, and others.

tools/servers.sh unpacks them. They are never installed, since their packages exclude each other and would
leave daemons behind. They run in a namespace of their own (tools/enter-servers.sh), which ends with the test
session. Their connections are not encrypted: Dovecot tests TLS. nginx is a proxy in front of Cyrus. They need
root.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pytest

from support.dovecot import free_ports

ROOT = Path(__file__).parents[2]
UNPACKED = ROOT / ".venv" / "servers"
ENTER = ROOT / "tools" / "enter-servers.sh"
PASSWORD = "secret"
_HASH = "$6$muniment$YYoB6Wye0N0i1Xb81cleK2vPbLITo4YhrvvCmBNwnEtPF7afww6hpR5HWXEp.bWlNCSyVzvsXCjNDFogeVa6R."
PEOPLE = 40
"""Number of users that all servers except Cyrus know from the beginning."""
_FIRST_UID = 5001
_SYSTEM = {"cyrus": 5100, "popa3d": 5101, "courier": 5102, "spop3d": 5103}
NAMES = (
    "cyrus_imap",
    "cyrus_pop3",
    "courier_imap",
    "courier_pop3",
    "popa3d",
    "solid_pop3d",
    "gnu_imap4d",
    "gnu_pop3d",
    "nginx_imap",
    "nginx_pop3",
)
_MORE_PORTS = ("slow_pop3", "nginx_auth")

_IMAPD_CONF = """\
configdirectory: /state/cyrus
partition-default: /state/cyrus/mail
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
defaultpartition: default
admins: cyrus
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: /state/cyrus/sasldb
sasl_mech_list: PLAIN LOGIN
altnamespace: no
unixhierarchysep: no
popminpoll: 0
slow_popminpoll: 1
cyrus_user: cyrus
munge8bit: no
reject8bit: no
"""
_CYRUS_CONF = """\
START {{ recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r" }}
SERVICES {{
  imap cmd="/usr/lib/cyrus/bin/imapd" listen="127.0.0.1:{cyrus_imap}" prefork=1
  pop3 cmd="/usr/lib/cyrus/bin/pop3d" listen="127.0.0.1:{cyrus_pop3}" prefork=1
  slow cmd="/usr/lib/cyrus/bin/pop3d" listen="127.0.0.1:{slow_pop3}" prefork=0
}}
EVENTS {{ }}
"""
_NGINX_CONF = """\
daemon off;
pid /run/nginx.pid;
error_log stderr;
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
events {{ }}
http {{
  access_log off;
  map $http_auth_protocol $behind {{ imap {cyrus_imap}; pop3 {cyrus_pop3}; }}
  server {{
    listen 127.0.0.1:{nginx_auth};
    add_header Auth-Status OK;
    add_header Auth-Server 127.0.0.1;
    add_header Auth-Port $behind;
    location / {{ return 200; }}
  }}
}}
mail {{
  auth_http 127.0.0.1:{nginx_auth}/;
  server {{ listen 127.0.0.1:{nginx_imap}; protocol imap; }}
  server {{ listen 127.0.0.1:{nginx_pop3}; protocol pop3; }}
}}
"""
_PAM = """\
auth required pam_unix.so nodelay
account required pam_unix.so
session required pam_permit.so
"""
_START = """\
set -eu
exec >/state/log 2>&1
mkdir -p /run/cyrus /state/cyrus/mail /run/courier/authdaemon
chown -R cyrus:mail /run/cyrus /state/cyrus
for person in cyrus {people}; do echo {password} | saslpasswd2 -p -f /state/cyrus/sasldb -c "$person"; done
chown cyrus /state/cyrus/sasldb
cyrmaster -D &
nginx -c /etc/mail-proxy.conf &
/usr/lib/courier/courier-authlib/authdaemond &
set -a
. /etc/courier/imapd
. /etc/courier/pop3d
IMAP_STARTTLS=NO
set +a
serve() {{
    port=$1
    shift
    couriertcpd -nodnslookup -address=127.0.0.1 -maxprocs=60 -maxperip=60 "$port" "$@" &
}}
serve {courier_imap} /usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir
serve {courier_pop3} /usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir
accept() {{
    port=$1
    shift
    systemd-socket-activate --accept --inetd --listen "127.0.0.1:$port" "$@" &
}}
accept {popa3d} /usr/sbin/popa3d
accept {solid_pop3d} /usr/sbin/solid-pop3d
accept {gnu_imap4d} /usr/sbin/imap4d --no-config --inetd
accept {gnu_pop3d} /usr/sbin/pop3d --no-config --inetd
cat  # until the tests are over, or were killed
"""


@dataclass
class Servers:
    """All servers, their ports and their users; use as a context manager."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="muniment-servers-")))
    ports: dict[str, int] = field(
        default_factory=lambda: dict(
            zip((*NAMES, *_MORE_PORTS), free_ports(len(NAMES) + len(_MORE_PORTS)), strict=True)
        )
    )
    _process: subprocess.Popen[bytes] | None = None
    _given: int = 0

    def __enter__(self) -> Servers:
        try:
            self._write()
            unshared = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "unchanged")
            self._process = subprocess.Popen(
                [*unshared, "sh", str(ENTER), str(UNPACKED), str(self.folder), "sh", "/state/start.sh"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            for name in NAMES:
                self._await(name)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.kill()  # the namespace's first process, and with it all others
            self._process.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def person(self) -> str:
        """The name of a user without mail, at any server."""
        self._given += 1
        assert self._given <= PEOPLE, "all people are given away: raise PEOPLE"
        return _name(self._given)

    def deliver(self, person: str, mails: Iterable[bytes]) -> None:
        """Put mail into the mbox and the Maildir, where all servers except Cyrus find it."""
        uid = _FIRST_UID + int(person[1:])
        mbox, new = self.folder / "mail" / person, self.folder / "home" / person / "Maildir" / "new"
        mbox.touch()
        for mail in mails:
            stored = mail.replace(b"\r\n", b"\n").removesuffix(b"\n") + b"\n"
            with mbox.open("ab") as file:
                file.write(b"From a@example.org Mon Nov 23 10:00:00 2026\n" + stored + b"\n")
            path = new / f"{time.time_ns()}.test"
            path.write_bytes(stored)
            os.chown(path, uid, uid)
        os.chown(mbox, uid, uid)
        mbox.chmod(0o600)

    def left(self, person: str) -> int:
        """Number of messages in the mbox."""
        mbox = self.folder / "mail" / person
        return mbox.read_bytes().count(b"From a@example.org Mon")

    def cyrus(self, person: str) -> imaplib.IMAP4:
        """A user's session at Cyrus; a missing mailbox is made. "cyrus" is its administrator."""
        if person != "cyrus":
            with self.cyrus("cyrus") as admin:
                admin.create(f"user.{person}")
        return self.imap("cyrus_imap", person)

    def imap(self, server: str, person: str) -> imaplib.IMAP4:
        """A user's session at a server."""
        session = imaplib.IMAP4("127.0.0.1", self.ports[server], timeout=20)
        session.login(person, PASSWORD)
        return session

    def log(self) -> str:
        """The output of the servers that log only to their output."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _write(self) -> None:
        etc, people = self.folder / "etc", [_name(n) for n in range(1, PEOPLE + 1)]
        for name in ("etc/pam.d", "home", "mail"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        (self.folder / "mail").chmod(0o1777)
        ids = _SYSTEM | {name: _FIRST_UID + n for n, name in enumerate(people, 1)}
        lines = {
            "passwd": [
                f"{name}:x:{uid}:{_group(name, uid)}::/state/home/{name}:/bin/sh" for name, uid in ids.items()
            ],
            "group": [f"{name}:x:{uid}:" for name, uid in ids.items()],
            "shadow": [f"{name}:{_HASH}:19000:0:99999:7:::" for name in ids],
        }
        for name, more in lines.items():
            (etc / name).write_text(Path("/etc", name).read_text() + "\n".join(more) + "\n")
        (etc / "shadow").chmod(0o600)
        for service in ("imap", "pop", "pop3", "popa3d", "solid-pop3d", "gnu-imap4d", "gnu-pop3d"):
            (etc / "pam.d" / service).write_text(_PAM)
        (etc / "imapd.conf").write_text(_IMAPD_CONF)
        (etc / "cyrus.conf").write_text(_CYRUS_CONF.format(**self.ports))
        (etc / "mail-proxy.conf").write_text(_NGINX_CONF.format(**self.ports))
        for name in people:
            home = self.folder / "home" / name
            for folder in (home, *(home / "Maildir" / sub for sub in ("", "new", "cur", "tmp"))):
                folder.mkdir(exist_ok=True)
                os.chown(folder, ids[name], ids[name])
        (self.folder / "start.sh").write_text(
            _START.format(people=" ".join(people), password=PASSWORD, **self.ports)
        )

    def _await(self, name: str) -> None:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports[name]), 5):
                return
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                said = self._process.communicate()[0].decode(errors="replace")
                pytest.fail(f"{name} did not start: {said}\n{self.log()}")
            time.sleep(0.02)


def _name(number: int) -> str:
    return f"p{number:03}"


def _group(name: str, uid: int) -> int:
    return 8 if name in _SYSTEM else uid


def require_servers() -> None:
    """Skip the test if the servers are not unpacked or can't start; in continuous integration, fail."""
    if os.geteuid() != 0:
        pytest.skip("only root can start these servers")
    if (UNPACKED / ".list").exists() and shutil.which("unshare"):
        return
    message = "needs the servers that `sh tools/servers.sh test` unpacks"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextlib.contextmanager
def running() -> Iterator[Servers]:
    """All servers, for a test session."""
    require_servers()
    with Servers() as servers:
        yield servers

"""The contestants: Muniment, and the programs that it is compared with.

Each is set up from nothing in its own folder (not timed), is timed, and is then checked: it must have
processed every message. The settings favour the peers: notmuch writes no flags back, and mbsync does not wait
for the disk.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.corpus import DOMAIN
from benchmarks.measure import Command, run


class WrongResult(Exception):
    """A contestant did not do the work for which it was timed."""


class Contestant(Protocol):
    """A program that takes part in a race."""

    @property
    def name(self) -> str:
        """Its name in the report."""

    @property
    def count(self) -> int:
        """Number of messages that it gets."""

    def prepare(self, folder: Path) -> None:
        """Set up from nothing in an empty folder; not timed."""

    def commands(self, folder: Path) -> list[Command]:
        """The timed commands."""

    def check(self, folder: Path, output: str) -> None:
        """Check that all was done. `output` is the output of the last command. Raises WrongResult."""


@dataclass(frozen=True)
class Login:
    """A mailbox on a server, over TLS or STLS. A file contains the authority that signed for `localhost`."""

    port: int
    name: str
    password: str
    authority: Path
    host: str = "localhost"


def require(found: int, expected: int, who: str) -> None:
    """Check that `who` has as many messages as it was given. Raises WrongResult."""
    if found != expected:
        raise WrongResult(f"{who} took {found} of {expected} messages")


# --- Muniment -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Muniment:
    """One run of one profile into a new vault, including the index."""

    name: str
    count: int
    profile: tuple[str, ...]
    """Options of `muniment profile add`."""
    password: str = ""

    def prepare(self, folder: Path) -> None:
        password = folder / "password"
        password.write_text(self.password)
        password.chmod(0o600)
        self._ask(folder, "init", "--domain", DOMAIN)
        self._ask(folder, "profile", "add", "bench", *self.profile, "--keep")

    def commands(self, folder: Path) -> list[Command]:
        return [muniment(folder, "run", "bench", "--json")]

    def check(self, folder: Path, output: str) -> None:
        summary = last_json(output)
        require(summary["new"] + summary["merged"], self.count, self.name)
        if summary["state"] != "ok" or not summary["balanced"]:
            raise WrongResult(f"the run failed: {summary}")
        status = last_json(self._ask(folder, "status", "--json"))
        if status["behind"]:
            raise WrongResult(f"{status['behind']} messages can't be found yet")

    def _ask(self, folder: Path, *args: str) -> str:
        return run(muniment(folder, *args), folder).output


def muniment(folder: Path, *args: str) -> Command:
    """A `muniment` command on the vault in `folder`."""
    return Command((sys.executable, "-m", "muniment", *args), {"MUNIMENT_VAULT": str(vault_of(folder))})


def vault_of(folder: Path) -> Path:
    """The vault in a contestant's folder."""
    return folder / "vault"


def last_json(output: str) -> dict[str, Any]:
    """The JSON object on the last line, or of the whole output."""
    text = output.strip()
    value: dict[str, Any] = json.loads(text if text.startswith("{\n") else text.splitlines()[-1])
    return value


def from_maildir(path: Path, count: int, name: str = "Muniment") -> Muniment:
    """Muniment, from a local maildir."""
    return Muniment(name, count, ("--source", "maildir", "--path", str(path)))


def from_server(name: str, kind: str, login: Login, count: int) -> Muniment:
    """Muniment, from a mailbox: kind `gateway` is POP3 with STLS, `imap` is IMAP over TLS."""
    options = {
        "source": kind,
        "host": login.host,
        "port": str(login.port),
        "mailbox": login.name,
        "ca-file": str(login.authority),
        "password-file": "password",
    }
    arguments = tuple(word for key, value in options.items() for word in (f"--{key}", value))
    return Muniment(name, count, (*arguments, "--journal"), login.password)


# --- peers --------------------------------------------------------------------------------------

NOTMUCH = """\
[database]
path={folder}/notmuch
mail_root={mail}
[user]
name=Bench
primary_email=bench@{domain}
[new]
tags=
[maildir]
synchronize_flags=false
"""


@dataclass(frozen=True)
class Notmuch:
    """`notmuch new` over a maildir."""

    mail: Path
    count: int
    name: str = "notmuch new"

    def prepare(self, folder: Path) -> None:
        (folder / "notmuch").mkdir()
        config = NOTMUCH.format(folder=folder, mail=self.mail, domain=DOMAIN)
        (folder / "notmuch-config").write_text(config)

    def commands(self, folder: Path) -> list[Command]:
        return [self._notmuch(folder, "new", "--quiet")]

    def check(self, folder: Path, output: str) -> None:
        require(int(run(self._notmuch(folder, "count", "*"), folder).output), self.count, self.name)

    def _notmuch(self, folder: Path, *args: str) -> Command:
        config = str(folder / "notmuch-config")
        return Command(("notmuch", *args), {"NOTMUCH_CONFIG": config, "HOME": str(folder)})


@dataclass(frozen=True)
class Mu:
    """`mu index` over a maildir."""

    mail: Path
    count: int
    name: str = "mu index"

    def prepare(self, folder: Path) -> None:
        run(self._mu(folder, "init", f"--maildir={self.mail}"), folder)

    def commands(self, folder: Path) -> list[Command]:
        return [self._mu(folder, "index")]

    def check(self, folder: Path, output: str) -> None:
        found = run(self._mu(folder, "find", "--fields=i", ""), folder).output
        require(len(found.splitlines()), self.count, self.name)

    def _mu(self, folder: Path, word: str, *args: str) -> Command:
        return Command(("mu", word, "--nocolor", "--quiet", f"--muhome={folder / 'mu'}", *args))


MBSYNC = """\
FSync no

IMAPStore far
Host {host}
Port {port}
User {name}
Pass {password}
SSLType IMAPS
CertificateFile {authority}

MaildirStore near
Inbox {folder}/mail/
SubFolders Verbatim
Path {folder}/mail/

Channel bench
Far :far:
Near :near:
Sync Pull
Create Near
Expunge None
SyncState *
"""


@dataclass(frozen=True)
class MbsyncNotmuch:
    """`mbsync` into a local maildir, and `notmuch new` over that."""

    login: Login
    count: int
    name: str = "mbsync, then notmuch new"

    def prepare(self, folder: Path) -> None:
        (folder / "mail").mkdir()
        login = self.login
        config = MBSYNC.format(
            folder=folder,
            host=login.host,
            port=login.port,
            name=login.name,
            password=login.password,
            authority=login.authority,
        )
        (folder / "mbsyncrc").write_text(config)
        self._notmuch(folder).prepare(folder)

    def commands(self, folder: Path) -> list[Command]:
        fetch = Command(("mbsync", "-q", "-c", str(folder / "mbsyncrc"), "bench"), {"HOME": str(folder)})
        return [fetch, *self._notmuch(folder).commands(folder)]

    def check(self, folder: Path, output: str) -> None:
        self._notmuch(folder).check(folder, output)

    def _notmuch(self, folder: Path) -> Notmuch:
        return Notmuch(folder / "mail", self.count, self.name)


GETMAIL = """\
[retriever]
type = SimplePOP3SSLRetriever
server = {host}
port = {port}
username = {name}
password = {password}
ca_certs = {authority}
timeout = 600

[destination]
type = Maildir
path = {folder}/mail/
user = {user}

[options]
verbose = 0
read_all = true
delete = false
delivered_to = false
received = false
"""


@dataclass(frozen=True)
class Getmail:
    """getmail6 from POP3 over TLS into a local maildir; it indexes nothing.

    It refuses to deliver as root, so root makes it deliver as `nobody`.
    """

    login: Login
    count: int
    name: str = "getmail6"

    def prepare(self, folder: Path) -> None:
        user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        for name in ("", "new", "cur", "tmp"):
            (folder / "mail" / name).mkdir()
            os.chown(folder / "mail" / name, user.pw_uid, user.pw_gid)
        login = self.login
        config = GETMAIL.format(
            folder=folder,
            user=user.pw_name,
            host=login.host,
            port=login.port,
            name=login.name,
            password=login.password,
            authority=login.authority,
        )
        (folder / "getmailrc").write_text(config)

    def commands(self, folder: Path) -> list[Command]:
        return [Command(("getmail", f"--getmaildir={folder}", "--rcfile=getmailrc"), {"HOME": str(folder)})]

    def check(self, folder: Path, output: str) -> None:
        require(sum(1 for _ in (folder / "mail" / "new").iterdir()), self.count, self.name)


# --- versions -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    """A program that the measurements need, and how to get its version."""

    name: str
    command: tuple[str, ...]
    word: int = 1
    """The position of the version in its answer, in words."""

    def version(self) -> str:
        """Its version; "" if it is not installed."""
        binary = shutil.which(self.command[0]) or shutil.which(self.command[0], path="/usr/sbin")
        if binary is None:
            return ""
        done = subprocess.run([binary, *self.command[1:]], capture_output=True, text=True, check=False)
        words = (done.stdout or done.stderr).split()
        return words[self.word] if len(words) > self.word else "unknown"


PROGRAMS = (
    Program("notmuch", ("notmuch", "--version")),
    Program("mu", ("mu", "--version"), 4),
    Program("mbsync", ("mbsync", "--version")),
    Program("getmail6", ("getmail", "--version")),
    Program("Dovecot", ("dovecot", "--version"), 0),
)

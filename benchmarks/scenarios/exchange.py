"""Fetching from an Exchange Server's mailbox, side by side with unchanged exchangelib."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import Lab
from benchmarks.measure import Command
from benchmarks.peers import Muniment, require
from benchmarks.report import RACE_COLUMNS, Aim, Section, Table, megabytes, race_row, seconds, times
from benchmarks.servers import Exchange

ADDRESS, PASSWORD = "journal@example.com", "a password"
TEXT = """\
{count:,} journal reports of {size} MB are in the Inbox of a double of an Exchange Server on this machine,
which shares its cores and speaks HTTP without TLS. "Reading" is listing the Inbox and getting every
message's MIME; nothing is kept. exchangelib without changes reads answers byte by byte. Muniment's run
includes the archive and its index."""
THEIRS = """
from exchangelib import BASIC, DELEGATE, Account, Build, Configuration, Credentials, Version
login = Credentials({address!r}, {password!r})
config = Configuration(service_endpoint={url!r}, credentials=login, auth_type=BASIC,
                       version=Version(Build(15, 2, 1118, 7)))
account = Account({address!r}, config=config, access_type=DELEGATE)
print(sum(bool(item.mime_content) for item in account.inbox.all().only("mime_content")))
"""
OURS = """
from itertools import islice
from pathlib import Path
from muniment.sources.endpoint import EwsEndpoint
from muniment.sources.factory import open_source
source = open_source(EwsEndpoint(kind="ews", host="localhost", port={port}, security="none", scheme="basic",
                              mailbox={address!r}, password={password!r}, work=Path("work")))
source.connect()
listing, count = source.listing(), 0
while items := list(islice(listing, source.session)):
    count += sum(bool(answer.content) for answer in source.fetch(items))
print(count)
"""


@dataclass(frozen=True)
class Reader:
    """A script that reads the whole mailbox and prints how many messages had MIME."""

    name: str
    count: int
    script: str

    def prepare(self, folder: Path) -> None:
        """There is nothing to set up."""

    def commands(self, folder: Path) -> list[Command]:
        return [Command((sys.executable, "-c", self.script))]

    def check(self, folder: Path, output: str) -> None:
        require(int(output), self.count, self.name)


def measure(lab: Lab) -> Section:
    """Muniment's source compared with unchanged exchangelib."""
    mail = lab.mail(lab.settings.exchange)
    with Exchange() as server:
        server.offers = ('Basic realm="bench"',)
        server.person(ADDRESS, PASSWORD).put(path.read_bytes() for path in mail.files())
        values = {"address": ADDRESS, "password": PASSWORD, "port": server.port,
                "url": f"http://localhost:{server.port}/EWS/Exchange.asmx"}  # fmt: skip
        options = (
            *("--source", "ews", "--host", "localhost", "--port", str(server.port), "--security", "none"),
            *("--auth", "basic", "--mailbox", ADDRESS, "--password-file", "password", "--journal"),
        )
        contestants = (
            Reader("Muniment, reading", mail.count, OURS.format(**values)),
            Reader("exchangelib as it comes, reading", mail.count, THEIRS.format(**values)),
            Muniment("Muniment, into an archive", mail.count, options, PASSWORD),
        )
        trials = lab.race(contestants)
    ours, theirs, _ = (seconds(trials[one.name]) for one in contestants)
    return Section(
        "From an Exchange Server",
        TEXT.format(count=mail.count, size=megabytes(mail.bytes)),
        ("muniment run bench", "account.inbox.all().only('mime_content')"),
        [Table(RACE_COLUMNS, [race_row(one, mail.count, found, ours) for one, found in trials.items()])],
        [Aim("EWS: 4x exchangelib as it comes", times(theirs / ours), theirs / ours >= 4)],
    )

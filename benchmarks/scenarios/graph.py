"""Fetching from a Microsoft 365 mailbox, as fast as the service allows."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.lab import Lab
from benchmarks.peers import Muniment
from benchmarks.report import RACE_COLUMNS, Aim, Section, Table, megabytes, race_row, seconds
from benchmarks.servers import AT_ONCE, CLIENT_ID, DIRECTORY, SECRET, Entra, GraphDouble

ADDRESS = "anna@example.com"
ANSWER = 0.05
"""Seconds that the service takes for a request."""
SHARE = 0.8
TEXT = """\
{count:,} messages of {size} MB are in the Inbox of a double of Microsoft Graph on this machine, which
shares its cores, speaks HTTPS, returns each message by a separate request, and refuses more than
{at_once} of them at a time. With {answer:.0f} ms a request it allows at most {ceiling:.0f} messages/s;
the real service allows 10,000 requests in ten minutes, which are 17/s. {peak} requests at a time were
seen, and {over} were refused."""


def measure(lab: Lab) -> Section:
    """Into an archive, from a service that answers at once and from a slow one."""
    mail = lab.mail(lab.settings.graph)
    with TemporaryDirectory() as folder, Entra(Path(folder)) as entra, GraphDouble(entra) as double:
        double.mailbox(ADDRESS).put(path.read_bytes() for path in mail.files())
        options = (
            *("--source", "graph", "--host", double.host, "--port", str(double.port), "--mailbox", ADDRESS),
            *("--directory", DIRECTORY, "--client-id", CLIENT_ID, "--password-file", "password"),
            *("--authority", entra.authority, "--ca-file", str(entra.certificates.authority)),
        )
        prompt = Muniment("answered at once", mail.count, options, SECRET)
        slow = Muniment(f"answered in {ANSWER * 1000:.0f} ms", mail.count, options, SECRET)
        trials = lab.race([prompt])
        double.slow = ANSWER
        trials |= lab.race([slow])
    first, ceiling = seconds(trials[prompt.name]), AT_ONCE / ANSWER
    rate = mail.count / seconds(trials[slow.name])
    peak, over = double.peak[ADDRESS], double.over[ADDRESS]
    text = TEXT.format(
        count=mail.count, size=megabytes(mail.bytes), at_once=AT_ONCE, answer=ANSWER * 1000, ceiling=ceiling,
        peak=peak, over=over,
    )  # fmt: skip
    return Section(
        "From a Microsoft 365 mailbox",
        text,
        ("muniment run bench",),
        [Table(RACE_COLUMNS, [race_row(one, mail.count, found, first) for one, found in trials.items()])],
        [
            Aim("Graph: all requests at a time that are allowed, and no more", f"{peak}, {over} refused",
                peak == AT_ONCE and not over),
            Aim(f"Graph: {SHARE:.0%} of what that allows, with start and end of the program",
                f"{rate:.0f} of {ceiling:.0f} messages/s", rate >= SHARE * ceiling),
        ],
    )  # fmt: skip

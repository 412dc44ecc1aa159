"""The memory of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.lab import Lab, Mail
from benchmarks.measure import INTERVAL, Peak, watched
from benchmarks.peers import Muniment, from_maildir, from_server
from benchmarks.report import Aim, Section, Table, megabytes
from benchmarks.servers import Dovecot, filled, login
from muniment.archive.operations.indexing import COMMIT_TEXT

ALL_LIMIT = 500_000_000
EACH_LIMIT = 300_000_000
GROWTH = 1.15
"""Maximum ratio of two archives' peaks that count as equal."""
COLUMNS = ("", "All, RSS, MB", "All, PSS, MB", "Largest process, RSS, MB")
TEXT = """\
The peaks of `muniment run`: of all its processes together, sampled every {interval:.0f} ms, and of the
largest one, as the kernel remembers it. RSS counts shared pages once for each process; PSS divides them.
The limits apply to RSS. The highest of {runs} runs each is shown. The huge message has {giant:.0f} MB and
is in the middle of the others.

The difference between the first two rows is the index's buffer, which is written out at {text} MB of text
(some 10,000 of these messages), and caches of the catalog. When these are full, memory stays the same
(`make soak` tests 200,000 messages, and 2,000 that are one long text each)."""


def measure(lab: Lab) -> Section:
    """Peaks for a small and a large archive, and with one huge message."""
    settings = lab.settings
    small, large = lab.mail(settings.small), lab.mail(settings.large)
    giant = lab.mail_with_giant(settings.small, settings.giant)
    peaks = {
        f"{small.count:,} messages": _peak(lab, _local(small)),
        f"{large.count:,} messages": _peak(lab, _local(large)),
        f"{small.count:,} and a huge one": _peak(lab, _local(giant)),
        f"{small.count:,} and a huge one, POP3": _from_server(lab, giant, "gateway"),
        f"{small.count:,} and a huge one, IMAP": _from_server(lab, giant, "imap"),
    }
    rows = [
        (name, *(megabytes(size) for size in (one.rss, one.pss, one.largest))) for name, one in peaks.items()
    ]
    text = TEXT.format(
        interval=INTERVAL * 1000, runs=settings.runs, giant=settings.giant / 1e6, text=COMMIT_TEXT // 10**6
    )
    return Section(
        "Memory", text, ("muniment run bench",), [Table(COLUMNS, rows)], _aims(list(peaks.values()))
    )


def _aims(peaks: Sequence[Peak]) -> list[Aim]:
    total, largest = max(one.rss for one in peaks), max(one.largest for one in peaks)
    few, many = peaks[0].rss, peaks[1].rss
    return [
        Aim("memory of all processes: at most 500 MB", f"{megabytes(total)} MB", total <= ALL_LIMIT),
        Aim("memory of each process: at most 300 MB", f"{megabytes(largest)} MB", largest <= EACH_LIMIT),
        Aim(
            f"memory the same for few and for many messages (within {GROWTH - 1:.0%})",
            f"{megabytes(few)} MB and {megabytes(many)} MB",
            many <= few * GROWTH,
        ),
    ]


def _local(mail: Mail) -> Muniment:
    return from_maildir(mail.path, mail.count)


def _from_server(lab: Lab, mail: Mail, kind: str) -> Peak:
    with Dovecot() as server:
        mailbox = filled(server, (path.read_bytes() for path in mail.files()))
        port = server.imaps if kind == "imap" else server.pop3
        return _peak(lab, from_server("Muniment", kind, login(server, mailbox, port), mail.count))


def _peak(lab: Lab, contestant: Muniment) -> Peak:
    """The highest peaks of several runs."""
    found = []
    for _ in range(lab.settings.runs):
        with lab.scratch() as folder:
            found.append(_once(contestant, folder))
        print(f"  {contestant.count:,} messages: {megabytes(found[-1].rss)} MB", flush=True)
    return Peak(
        rss=max(one.rss for one in found),
        pss=max(one.pss for one in found),
        largest=max(one.largest for one in found),
        seconds=max(one.seconds for one in found),
    )


def _once(contestant: Muniment, folder: Path) -> Peak:
    contestant.prepare(folder)
    (command,) = contestant.commands(folder)
    peak = watched(command, folder)
    contestant.check(folder, (folder / "output").read_text())
    return peak

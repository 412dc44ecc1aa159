"""The disk space of a vault."""

from __future__ import annotations

from pathlib import Path

import zstandard

from benchmarks.lab import Lab, Mail
from benchmarks.measure import run
from benchmarks.peers import from_maildir, vault_of
from benchmarks.report import Aim, Section, Table, megabytes

PROJECTIONS = ("ledger", "catalog", "index")
TEXT = """\
Sizes of all files of a vault after one run, by their part of the vault, compared with the bytes of the
journal reports in it. The share depends on the make-up of the mail (`benchmarks/corpus.py`): on the
amount of text, and on how often an attachment repeats, which is more often in a larger archive. As a
yardstick, all reports are compressed as one zstd stream of level {level} with a window of {window} MiB,
from which no single message could be read."""
LEVEL = 3
WINDOW = 27
"""Window size, as a power of 2."""


def measure(lab: Lab) -> Section:
    """Ledger, catalog and index compared with raw mail, for two sizes of archive."""
    mails = [lab.mail(count) for count in dict.fromkeys((lab.settings.count, lab.settings.large))]
    found = [(mail, footprint(lab, mail)) for mail in mails]
    columns = ("", *(f"{mail.count:,} reports, MB" for mail in mails), *("of raw mail" for _ in mails))
    names = [*PROJECTIONS, *sorted({name for _, sizes in found for name in sizes} - {*PROJECTIONS})]
    rows = [("raw mail", *(megabytes(mail.bytes) for mail in mails), *("1" for _ in mails))]
    rows += [_row(name, [(mail, sizes.get(name, 0)) for mail, sizes in found]) for name in names]
    rows.append(_row("all", [(mail, sum(sizes.values())) for mail, sizes in found]))
    rows.append(_row("yardstick: one zstd stream", [(mail, solid(mail)) for mail, _ in found]))
    mail, sizes = found[0]
    share = sum(sizes.get(name, 0) for name in PROJECTIONS) / mail.bytes
    aim = Aim("ledger, catalog and index: at most 0.33 of the raw mail", f"{share:.3f}", share <= 0.33)
    text = TEXT.format(level=LEVEL, window=2**WINDOW // 2**20)
    return Section("Space", text, (), [Table(columns, rows)], [aim])


def _row(name: str, sizes: list[tuple[Mail, int]]) -> tuple[str, ...]:
    return (
        name,
        *(megabytes(size) for _, size in sizes),
        *(f"{size / mail.bytes:.4f}" for mail, size in sizes),
    )


def footprint(lab: Lab, mail: Mail) -> dict[str, int]:
    """Bytes of a new vault with this mail, by ledger, catalog, index and the rest."""
    contestant = from_maildir(mail.path, mail.count)
    with lab.scratch() as folder:
        contestant.prepare(folder)
        used = [run(command, folder) for command in contestant.commands(folder)]
        contestant.check(folder, used[-1].output)
        return by_part(vault_of(folder))


def by_part(vault: Path) -> dict[str, int]:
    """Bytes of the files in a vault by the first part of their path; a database includes its companions."""
    sizes: dict[str, int] = {}
    for path in vault.rglob("*"):
        if path.is_file():
            name = path.relative_to(vault).parts[0].partition(".")[0]
            sizes[name] = sizes.get(name, 0) + path.stat().st_size
    return sizes


def solid(mail: Mail) -> int:
    """Bytes of all reports compressed as one stream with a large window."""
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, window_log=WINDOW, enable_ldm=True)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return sum(len(stream.compress(path.read_bytes())) for path in mail.files()) + len(stream.flush())

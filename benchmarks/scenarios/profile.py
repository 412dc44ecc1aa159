"""The CPU time of a run, by process and function."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from benchmarks.lab import Lab, Mail
from benchmarks.peers import from_maildir, vault_of
from benchmarks.report import MEGA, Section, Table
from benchmarks.sampler import NATIVE, Sampler
from muniment.archive.vault.open_vault import open_vault
from muniment.runs.pipeline.fetch import BATCH_ITEMS
from muniment.runs.prepare.prepare import CopyPreparer
from muniment.runs.prepare.prepared_copy import CopyJob
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.service.host.profile_source import find
from muniment.service.host.run_profile import run_profile
from muniment.service.host.session import ClientSession

SHOWN = 15
"""Number of modules and functions listed for each part."""
WORKERS = "workers: unwrap, split, compress, read text"
ARCHIVIST = "archivist: dedup, append, commit, catalog"
LABELS = {
    "fetch": "fetcher: lists and reads the mail",
    "worker": "threads that pass batches to the workers",
    "index": "indexer: builds documents",
    NATIVE: "Tantivy's and other native threads",
}
COLUMN = "CPU, µs/message"
TEXT = """\
CPU time of {count:,} reports of a maildir, in µs a message. The workers' part is taken from one
`Preparer` in a single process, with the vault's compression dictionaries. The figure of a function
includes the libraries that it calls."""


def measure(lab: Lab) -> Section:
    """CPU time by process and thread, and by function in a worker and in the archivist."""
    mail = lab.mail(lab.settings.profiled)
    with lab.scratch() as folder:
        run = _profiled_run(mail, folder)
        worker = _profiled_worker(mail, vault_of(folder))
    per = MEGA / mail.count
    parts = Counter({WORKERS: sum(worker.functions.values()), ARCHIVIST: sum(run.functions.values())})
    for thread, used in run.threads.items():
        if label := LABELS.get(thread.partition("-")[0]):
            parts[label] += used / 1e9  # type: ignore[assignment]
    tables = [
        Table(("Part", COLUMN), _rows(parts, per)),
        Table(("In a worker, by module", COLUMN), _rows(_modules(worker.functions), per)),
        Table(("In a worker, by function", COLUMN), _rows(worker.functions, per)),
        Table(("In the archivist, by module", COLUMN), _rows(_modules(run.functions), per)),
        Table(("In the archivist, by function", COLUMN), _rows(run.functions, per)),
    ]
    return Section("Where the time goes", TEXT.format(count=mail.count), (), tables)


def _profiled_run(mail: Mail, folder: Path) -> Sampler:
    """A run whose archivist is this thread. Its workers are separate processes."""
    from_maildir(mail.path, mail.count).prepare(folder)
    session = ClientSession(vault_of(folder))
    profile = find(session.settings(), "bench")
    pool = WorkerPool()
    try:
        with session.writing() as vault, Sampler() as sampler:
            summary = run_profile(vault, profile, pool, lambda progress: None, threading.Event())
    finally:
        pool.close()
    assert summary.state == "ok", summary.error
    return sampler


def _profiled_worker(mail: Mail, folder: Path) -> Sampler:
    """The work of the workers, in this thread."""
    with closing(open_vault(folder, write=True)) as vault:  # only a writer has the dictionaries at hand
        assert vault.dictionaries, "nothing was trained"
        preparer = CopyPreparer(vault.dictionaries)
    jobs = [CopyJob(path.read_bytes(), "", True) for path in mail.files()]
    with Sampler() as sampler:
        for at in range(0, len(jobs), BATCH_ITEMS):
            preparer.prepare(jobs[at : at + BATCH_ITEMS])
    return sampler


def _modules(functions: Mapping[str, float]) -> Counter[str]:
    """Seconds by module."""
    modules: Counter[str] = Counter()
    for name, seconds in functions.items():
        modules[name.partition(":")[0]] += seconds  # type: ignore[assignment]
    return modules


def _rows(seconds: Mapping[str, float], per: float) -> list[tuple[str, str]]:
    """The most expensive places, the rest as one row, and the sum."""
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    rows = [(name, f"{one * per:,.0f}") for name, one in ranked[:SHOWN]]
    if len(ranked) > SHOWN:
        rows.append(("the rest", f"{sum(one for _, one in ranked[SHOWN:]) * per:,.0f}"))
    return [*rows, ("all", f"{sum(seconds.values()) * per:,.0f}")]

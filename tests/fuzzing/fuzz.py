"""Fuzz one target for a time: python fuzz.py TARGET SECONDS FOLDER

FOLDER keeps the inputs that reached something new, so that the next time begins where this one ended; an
input that fails is written there, too. Run in a process of its own, since a fault in native code ends it.
Exit status 0 when nothing failed.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["muniment.mail", "muniment.archive.query", "email", "html", "quopri"]
):
    from fuzzing.targets import SEED_LIMIT, TARGETS, everything, seeds
from support.growth import PIECES

TIMEOUT = 60
"""Seconds that one input may take, on a machine that does other things besides."""
MEMORY = 2048
"""MiB that the process may take."""


def main(name: str, time_limit: int, folder: Path) -> None:
    """Fuzz until the time is over, or until an input fails."""
    corpus, failures = folder / name, folder / "failures"
    for each in (corpus, failures):
        each.mkdir(parents=True, exist_ok=True)
    for one in seeds(name) if name in TARGETS else all_seeds():
        (corpus / hashlib.sha1(one, usedforsecurity=False).hexdigest()).write_bytes(one)
    words = folder / "words.dict"
    words.write_text("".join(map(_word, PIECES.values())))
    options = [
        f"-dict={words}",
        f"-max_total_time={time_limit}",
        f"-timeout={TIMEOUT}",
        f"-rss_limit_mb={MEMORY}",
        f"-max_len={SEED_LIMIT}",
        f"-artifact_prefix={failures}/{name}-",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS.get(name, everything))
    atheris.Fuzz()


def _word(piece: bytes) -> str:
    """A line of libFuzzer's dictionary."""
    escaped = "".join(f"\\x{byte:02x}" for byte in piece)
    return f'"{escaped}"\n'


def all_seeds() -> list[bytes]:
    """A few seeds of each target, behind the byte that chooses it."""
    return [bytes((number,)) + one for number, name in enumerate(TARGETS) for one in seeds(name)[-20:]]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))

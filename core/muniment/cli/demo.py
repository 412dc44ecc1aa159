"""`muniment demo`: from receiving sample mail to verifying it, in a temporary vault."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from muniment.api import Done, Hits, ProgressWord, RunSummary, Step, Tree, Verified, WireWord
from muniment.cli import books
from muniment.cli.answers import hit_table, hits_as_json
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.live import LiveDisplay
from muniment.cli.maintenance import show_verified
from muniment.cli.messages import show_tree, tree_as_json
from muniment.cli.output import plain
from muniment.client.known_vaults import note_vault
from muniment.system.formatting import count, seconds

PROGRAM = "muniment"
SHOWN = 3
"""Number of hits that are shown for each search."""


@click.command(cls=VaultCommand)
@click.option("--remove", is_flag=True, help="Remove the vault at the end.")
@pass_session
def demo(session: CommandSession, remove: bool) -> int:
    """Try it out, with sample mail in a temporary vault.

    Starts an embedded gateway on this machine, sends it 1,000 journal mails of
    a small company, and archives them. Shows the books, the tree, three
    searches and the verification. Exits 0 only if the vault holds exactly what
    was sent. The vault is made in a new temporary folder, or in the folder that
    --vault names; MUNIMENT_VAULT is ignored. Its vault.toml has the mark
    `demo = true`, which status and the app show. On a terminal, Enter opens the
    app at the end.

    \b
    Example:
      muniment demo
    """
    folder = session.folder or Path(tempfile.mkdtemp(prefix="muniment-demo-"))
    started = time.monotonic()
    try:
        results = _narrate(session, session.engine.demo(folder))
    finally:
        if remove:
            shutil.rmtree(folder, ignore_errors=True)
    if not remove:
        note_vault(folder, "")
    _end(session, results, None if remove else folder, time.monotonic() - started)
    if remove or session.json or session.engine.look is None:
        return 0
    return session.engine.look(folder) if _opens(session) else 0


def _narrate(session: CommandSession, words: Iterator[WireWord]) -> dict[str, Any]:
    """Show each word as its own command shows it; returns the results for JSON."""
    results: dict[str, Any] = {"searches": []}
    with LiveDisplay(session) as display:
        for word in words:
            if isinstance(word, ProgressWord):
                display.show(books.stages(word))
                continue
            display.clear()
            _collect(results, word)
            if not session.json:
                _show(session, word)
                session.out.flush()
    return results


def _collect(results: dict[str, Any], word: WireWord) -> None:
    if isinstance(word, RunSummary):
        results["run"] = books.as_json(word)
    elif isinstance(word, Tree):
        results["tree"] = tree_as_json(word)
    elif isinstance(word, Hits):
        results["searches"].append(hits_as_json(word))
    elif isinstance(word, Verified):
        results["verify"] = plain(word)


def _show(session: CommandSession, word: WireWord) -> None:
    out = session.out
    if isinstance(word, Step):
        out.line()
        out.prose(word.text)
    elif isinstance(word, RunSummary):
        for line in books.equation(word):
            out.prose(line, 4)
    elif isinstance(word, Tree):
        show_tree(session, word)
    elif isinstance(word, Hits):
        hit_table(session, word.hits[:SHOWN])
        out.line(f"{count(word.total)} messages.")
    elif isinstance(word, Verified):
        show_verified(session, word)
    elif isinstance(word, Done):
        out.line()
        out.prose(word.message)


def _end(session: CommandSession, results: dict[str, Any], folder: Path | None, taken: float) -> None:
    if session.json:
        results |= {"vault": None if folder is None else str(folder), "seconds": round(taken, 1)}
        session.out.json(results)
        return
    out = session.out
    out.line(f"Everything took {seconds(taken)}.")
    if folder is None:
        out.line("The temporary vault is removed.")
        return
    program = program_name()
    out.prose(f"The vault stays in {folder} until you remove it. Try these commands:")
    out.line(f"  export MUNIMENT_VAULT={shlex.quote(str(folder))}")
    out.line(f"  {program} list mira.tannhofer@nordlicht.example/Inbox")
    out.line(f"  {program} search 'has:attachment Leuchtturm'")


def program_name() -> str:
    """How this program is called in a shell: `muniment`, or its path if the shell would not find it."""
    called = Path(sys.argv[0])
    if called.name != PROGRAM:
        return PROGRAM
    found = shutil.which(PROGRAM)
    if found is not None and Path(found).resolve() == called.resolve():
        return PROGRAM
    return shlex.quote(str(called))


def _opens(session: CommandSession) -> bool:
    """Whether the app opens now; on a terminal, after Enter was pressed."""
    if not session.out.interactive:
        return True
    session.out.line()
    return session.out.await_enter("Enter opens the app on this vault (q closes it). Ctrl-C leaves.")


COMMANDS = (demo,)

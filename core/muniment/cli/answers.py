"""Answers that several commands share: what was done, the steps of some work, a page of messages."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from muniment.api import Done, Hit, Hits, Request, Step, StopWork, WireWord
from muniment.cli.command import CommandSession
from muniment.cli.layout.list_columns import ID, MessageColumn, shapes, usual_columns
from muniment.cli.live import LiveDisplay
from muniment.cli.output import complain, plain
from muniment.cli.progress import step_words
from muniment.client.receiving import receive
from muniment.errors import MunimentError
from muniment.system.formatting import count, iso

WIDE = 100
"""Width of the terminal, in columns, from which lists also show sizes and recipients."""


def done(session: CommandSession, answer: Done, *details: str) -> None:
    """Print what was done, and its warnings on standard error.

    Args:
        session: Where to print.
        answer: What was done.
        details: Names of the fields of `answer` that JSON has besides `message` and `warnings`.
    """
    if session.json:
        fields = plain(answer)
        session.out.json({name: fields[name] for name in ("message", "warnings", *details)})
        return
    session.out.prose(answer.message)
    for warning in answer.warnings:
        complain(f"Note: {warning}")


def step_as_json(step: Step) -> dict[str, Any]:
    """A step as JSON has it."""
    return {"text": step.text, "ok": step.ok}


@contextmanager
def streaming(session: CommandSession, request: Request) -> Iterator[Iterator[WireWord]]:
    """The words of a request's stream; leaving the `with` block early cancels the work."""
    words = session.client.stream(request)
    try:
        yield words
    finally:
        close = getattr(words, "close", None)
        if close is not None:
            close()


def watched(
    session: CommandSession, request: Request, into: Path | None = None
) -> tuple[list[Step], list[WireWord]]:
    """Read a stream to its end, and show its steps as they come.

    Args:
        session: Where to ask and to print.
        request: What to ask of the engine.
        into: The folder or file in which to store the files that the stream brings.

    Returns:
        The steps that failed, and the words that are not steps.
    """
    failed: list[Step] = []
    rest: list[WireWord] = []
    number = 0
    with (
        streaming(session, request) as words,
        LiveDisplay(session) as display,
        _stopping(session, lambda: number),
    ):
        for word in words if into is None else receive(words, into):
            if not isinstance(word, Step):
                rest.append(word)
                continue
            number = word.work
            if word.ok:
                display.show([f"  {step_words(word)}"])
            else:
                failed.append(word)
    return failed, rest


@contextmanager
def _stopping(session: CommandSession, number: Callable[[], int]) -> Iterator[None]:
    """Inside the context, Ctrl-C also stops the work with this number, which goes on without its client."""
    try:
        yield
    except KeyboardInterrupt:
        if number():
            with suppress(MunimentError):  # it has just ended
                session.ask(StopWork(number=number()), Done)
        raise


def last(words: list[WireWord], kind: type[Any]) -> Any:
    """The last of a stream's words, which must be of this kind.

    Raises:
        TypeError: It is not, which is a fault of the engine.
    """
    if not words or not isinstance(words[-1], kind):
        raise TypeError(f"the stream did not end with {kind.__name__}")
    return words[-1]


def work(session: CommandSession, request: Request, into: Path | None = None) -> int:
    """Do the work of a request whose stream ends with Done, and print the steps that failed.

    Returns:
        The exit code: 0, or 1 if a step failed.
    """
    failed, rest = watched(session, request, into)
    answer = last(rest, Done)
    if session.json and failed:
        fields = {"message": answer.message, "warnings": list(answer.warnings)}
        session.out.json(fields | {"failed": [step.text for step in failed]})
        return 1
    for step in failed:
        complain(step.text)
    done(session, answer)
    return 1 if failed else 0


# --- messages -----------------------------------------------------------------------------------


def hit_as_json(hit: Hit) -> dict[str, Any]:
    """A message as `list --json` and `search --json` print it."""
    return {
        "id": hit.id,
        "date": iso(hit.date),
        "from": hit.sender,
        "to": hit.to,
        "subject": hit.subject,
        "size": hit.size,
        "attachments": hit.attachments,
        "folders": list(hit.folders),
        "files": list(hit.files),
    }


def hits_as_json(hits: Hits) -> dict[str, Any]:
    """A page as `list --json` and `search --json` print it; it has `after` only if more follows."""
    page: dict[str, Any] = {"total": hits.total, "behind": hits.behind, "waiting": hits.waiting}
    page["hits"] = [hit_as_json(hit) for hit in hits.hits]
    return page | {"after": hits.after} if hits.after else page


def show_hits(session: CommandSession, hits: Hits, columns: Sequence[MessageColumn] = ()) -> None:
    """Print a page of messages, and how to get the next one.

    Args:
        session: Where to print.
        hits: The page.
        columns: The columns of its table; the usual ones if there are none.
    """
    out = session.out
    if session.json:
        out.json(hits_as_json(hits))
        return
    if hits.hits:
        hit_table(session, hits.hits, columns)
    for hit in hits.hits:
        if hit.files:
            out.prose(f"{hit.id[:ID]}  in {', '.join(hit.files)}", ID + 2)
    shown, total = len(hits.hits), count(hits.total)
    more = f" Next page: --after {shlex.quote(hits.after)}" if hits.after else ""
    out.line(f"{count(shown)} of {total} messages.{more}" if shown else f"No messages ({total} in all).")
    if hits.behind:
        complain(f"{count(hits.behind)} messages are kept but not indexed yet: a search can miss them.")
    if hits.waiting:
        complain(
            f"Attachments of {count(hits.waiting)} messages are not read yet: a search can miss their text."
        )


def hit_table(session: CommandSession, hits: tuple[Hit, ...], columns: Sequence[MessageColumn] = ()) -> None:
    """Print messages as a table, a line each; the usual columns depend on the width of the terminal."""
    wide = not session.out.terminal or session.out.width >= WIDE
    shown = columns or usual_columns(wide)
    session.out.table(shapes(shown), ([column.cell(hit) for column in shown] for hit in hits))

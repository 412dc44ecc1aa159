"""`muniment erase` and `muniment certificate`: lawful erasure, and the proof of it."""

from __future__ import annotations

from typing import IO

import click

from muniment.api import (
    CheckErasure,
    Erase,
    Erasure,
    ErasureCertificate,
    ErasurePreview,
    GetErasureCertificate,
    PassedOver,
    RefusedErasure,
)
from muniment.cli.answers import last, watched
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.output import complain, plain
from muniment.errors import Erased, NotFound, UsageError
from muniment.system.formatting import count, local, size

SHOWN = 20
"""Most messages that text names one by one; --json has all."""
STAY = 17
"""Exit code if a message was named that must not be erased."""


@click.command(cls=VaultCommand)
@click.argument("ids", metavar="[ID...]", nargs=-1)
@click.option("--basis", required=True, metavar="TEXT", help="The legal basis; it is kept for ever.")
@click.option(
    "--from-file", "file", type=click.File("r", encoding="utf-8"), metavar="FILE",
    help="Also erase the messages whose ids are in FILE, one a line; - is standard input.",
)  # fmt: skip
@click.option(
    "--yes", "expected", type=click.IntRange(1), metavar="COUNT",
    help="Do not ask, if exactly COUNT messages would be erased.",
)  # fmt: skip
@pass_session
def erase(
    session: CommandSession, ids: tuple[str, ...], basis: str, file: IO[str] | None, expected: int | None
) -> int:
    """Erase messages for ever. For administrators.

    All copies of each message go: journal reports, forks, attachments that no
    other mail has, what the search index and the catalog hold, temporary
    files. The ledger keeps time, size and hash of each erased record, who
    erased it and why; all proofs hold as before. Mail under a legal hold or a
    retention rule stays, and is named. So is each id of FILE that names no
    message, or one that was erased before: the others are erased.

    It asks before it begins. `muniment certificate` gives the proof.

    \b
    Example:
      muniment erase 3f9a21c0 --basis "GDPR Art. 17, request of 2026-11-30"
      muniment erase --from-file ids.txt --basis "court order 7 O 12/26"
    """
    wanted = (*ids, *_lines(file))
    if not wanted:
        raise UsageError("No message is named: give ids, or a file of them with --from-file.")
    listed = file is not None
    preview = session.ask(CheckErasure(ids=wanted, pass_over=listed), ErasurePreview)
    if not preview.messages:
        return _nothing(session, preview)
    if not _agreed(session, preview, expected):
        session.out.line("Nothing was erased.")
        return 1
    _, rest = watched(session, Erase(ids=wanted, basis=basis, pass_over=listed))
    return _report(session, last(rest, Erasure))


def _nothing(session: CommandSession, preview: ErasurePreview) -> int:
    """Say why nothing can be erased; returns the exit code."""
    answer = Erasure(
        messages=0, records=(), erased=0, bytes=0, refused=preview.refused, passed=preview.passed
    )
    _left_out(preview)
    if session.json:
        session.out.json(plain(answer))
    return _code(answer)


def _lines(file: IO[str] | None) -> list[str]:
    """The ids in a file; empty lines and lines that begin with # are passed over.

    Raises:
        UsageError: The file is not UTF-8.
    """
    try:
        found = [line.strip() for line in file or ()]
    except UnicodeDecodeError:
        raise UsageError(
            "The file of --from-file is not UTF-8 text: give one with an id on each line."
        ) from None
    return [line for line in found if line and not line.startswith("#")]


def _agreed(session: CommandSession, preview: ErasurePreview, expected: int | None) -> bool:
    """Whether the erasure may begin.

    Raises:
        UsageError: Nobody can be asked, or another number of messages was expected.
    """
    if expected is not None and expected != preview.messages:
        raise UsageError(
            f"{_messages(preview.messages)} would be erased, not {count(expected)}: nothing was erased."
        )
    if expected is None and (session.json or not session.out.interactive):
        raise UsageError(
            f"Nobody can be asked here: add --yes {preview.messages} to erase {_messages(preview.messages)}."
        )
    if expected is not None:
        return True
    _left_out(preview)
    session.out.prose(
        f"{_messages(preview.messages)} of {local(preview.oldest)} to {local(preview.newest)}, with "
        f"{count(preview.copies)} copies of {size(preview.bytes)}."
    )
    return session.out.confirm(f"Erase {_messages(preview.messages)} for ever? Nothing brings them back.")


def _report(session: CommandSession, answer: Erasure) -> int:
    if session.json:
        session.out.json(plain(answer))
    elif answer.approval:
        session.out.prose(answer.message)
        _left_out(answer)
    else:
        session.out.prose(
            f"{_messages(answer.messages)} erased: {count(answer.erased)} records of {size(answer.bytes)}."
        )
        if answer.traces:
            session.out.prose(f"Also removed: {answer.traces}.")
        for record in answer.records:
            session.out.line(f"The certificate: muniment certificate {record}")
        _left_out(answer)
        if answer.needed:
            complain(
                f"Note: the bytes of {_messages(answer.needed)} are still stored, since other mail has them "
                "as an attachment: erase that as well."
            )
        if answer.unreadable:
            complain(
                f"Note: {size(answer.unreadable)} of the ledger are damaged: what they hold is not known."
            )
    return _code(answer)


def _code(answer: Erasure) -> int:
    """The exit code: the gravest of what was left out."""
    if answer.refused:
        return STAY
    if any(not one.erased for one in answer.passed):
        return NotFound.exit_code
    return Erased.exit_code if answer.passed else 0


def _left_out(answer: ErasurePreview | Erasure) -> None:
    """Name what is not erased."""
    _refusals(answer.refused)
    _passed(answer.passed)


def _passed(passed: tuple[PassedOver, ...]) -> None:
    for one in passed:
        complain(f"{one.id[:64]} is passed over: {one.reason}.")


def _refusals(refused: tuple[RefusedErasure, ...]) -> None:
    for one in refused[:SHOWN]:
        complain(f"{one.id[:12]} stays: {one.reason}")
    if len(refused) > SHOWN:
        complain(f"{count(len(refused) - SHOWN)} more stay; --json names all.")


def _messages(number: int) -> str:
    return f"{count(number)} {'message' if number == 1 else 'messages'}"


@click.command(cls=VaultCommand)
@click.argument("name", metavar="RECORD|ID")
@click.option("--note", is_flag=True, help="Print it as a signed note, to be checked with the vault's key.")
@pass_session
def certificate(session: CommandSession, name: str, note: bool) -> None:
    """Print the certificate of an erasure. For auditors and administrators.

    It says what was erased when, why and by whom, which checkpoints prove it,
    and which backups may still have it. RECORD is the number that `muniment
    erase` prints; ID is the id of an erased message.

    \b
    Example:
      muniment certificate 20417
      muniment certificate 3f9a21c0 --note > erasure.note
    """
    answer = session.ask(GetErasureCertificate(name=name), ErasureCertificate)
    if session.json:
        session.out.json(answer.value | {"note": answer.note})
        return
    if note and not answer.note:
        raise UsageError("This vault has no key that signs: see `muniment checkpoint`.")
    for line in (answer.note if note else answer.text).splitlines():
        session.out.line(line)


COMMANDS = (erase, certificate)

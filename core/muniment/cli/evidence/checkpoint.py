"""Commands for signed checkpoints: checkpoint show, publish, verify, new-key."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from muniment.api import (
    CheckpointVerdict,
    Done,
    GetCheckpoint,
    NewCheckpointKey,
    PublishCheckpoint,
    SignedCheckpoint,
    Step,
    VerifyCheckpoint,
)
from muniment.cli.answers import done, last, step_as_json, streaming
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.output import plain
from muniment.errors import LedgerDamaged, UsageError
from muniment.system.formatting import count, local

LARGEST = 256 * 1024
"""Most bytes of a note."""


@click.group(cls=CommandGroup)
def checkpoint() -> None:
    """Signed states of the ledger, for people outside.

    A checkpoint says how many records the ledger has and what their root is. The
    service signs one after runs with news, and daily, where vault.toml has
    [checkpoints] with sign = true.

    \b
    Example:
      muniment checkpoint show
      muniment checkpoint verify 20852163.note
    """


@checkpoint.command("show")
@click.option(
    "--from",
    "since",
    type=click.IntRange(min=0),
    metavar="SIZE",
    help="Print the request for a witness that knows SIZE records; 0 for a new one.",
)
@pass_session
def show(session: CommandSession, since: int | None) -> int:
    """Show the last signed checkpoint, and the public keys.

    Strangers need the keys once, in a way that they trust. With --from, prints
    what `muniment witness add` takes, for a witness that can't be reached.

    \b
    Example:
      muniment checkpoint show
      muniment checkpoint show --from 20852014 > for-the-auditor.request
    """
    answer = session.ask(GetCheckpoint(since=since), SignedCheckpoint)
    if session.json:
        session.out.json(plain(answer))
    elif since is not None:
        session.out.block(answer.request)
    else:
        _show(session, answer)
    return LedgerDamaged.exit_code if answer.alarms else 0


def _show(session: CommandSession, answer: SignedCheckpoint) -> None:
    out = session.out
    if answer.note:
        out.block(answer.note)
        out.line()
        by = ", ".join(answer.cosigners)
        out.prose(
            f"{count(answer.size)} records, written {local(answer.written)}"
            + (f", signed by the witnesses {by}." if by else ", signed by no witness yet.")
        )
    else:
        out.prose("No checkpoint was signed with the present key yet.")
    if not answer.signs:
        out.prose("The service signs none: set sign = true in [checkpoints] of vault.toml.")
    if answer.keys:
        out.line("Public keys of this archive:")
        for key in answer.keys:
            out.line(f"  {key}")
        out.prose(f"The key that signs is in {answer.key_file}; keep a copy of that file.")
    for text in (*answer.alarms, *answer.problems):
        out.prose(f"  {'ALARM' if text in answer.alarms else 'problem'}  {text}", 10)


@checkpoint.command("publish")
@pass_session
def publish(session: CommandSession) -> int:
    """Sign a checkpoint now, and send it everywhere.

    Asks the witnesses, then publishes wherever [checkpoints] of vault.toml says.
    Exits 1 if a place could not be reached. For administrators.

    \b
    Example:
      muniment checkpoint publish
    """
    steps, rest = [], []
    with streaming(session, PublishCheckpoint()) as words:
        for word in words:
            if isinstance(word, Step):
                steps.append(word)
                if not session.json:
                    session.out.prose(f"  {'ok    ' if word.ok else 'failed'}  {word.text}", 10)
                    session.out.flush()
            else:
                rest.append(word)
    answer = last(rest, Done)
    if session.json:
        session.out.json(plain(answer) | {"steps": [step_as_json(step) for step in steps]})
    else:
        done(session, answer)
    return 0 if all(step.ok for step in steps) else 1


@checkpoint.command("verify")
@click.argument("file", metavar="FILE", type=click.Path(allow_dash=True))
@click.option(
    "--stamp", metavar="FILE", type=click.Path(), help="A time stamp of it; else the vault's own is checked."
)
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Trust this public key alone.")
@pass_session
def verify(session: CommandSession, file: str, stamp: str | None, keys: tuple[str, ...]) -> int:
    """Compare a signed checkpoint with the ledger.

    FILE is a note, as published; - is standard input. Its signatures are checked
    with the keys of the vault and vault.toml, or with --key alone. Exits 6 if
    the note is a forgery, or the ledger was changed after it.

    \b
    Example:
      muniment checkpoint verify 20852163.note
    """
    seen = _bytes(stamp) if stamp is not None else b""
    request = VerifyCheckpoint(note=_content(file), stamp=seen, keys=keys)
    answer = session.ask(request, CheckpointVerdict)
    if session.json:
        session.out.json(plain(answer))
    else:
        session.out.prose(f"{'ok' if answer.ok else answer.state.upper()}: {answer.text}")
        for one in answer.signers:
            when = f", {local(one.time)}" if one.time else ""
            session.out.line(f"  signed by the {one.kind} {one.name}{when}")
        if answer.stamped is not None:
            again = f", renewed {local(answer.renewed)}" if answer.renewed is not None else ""
            session.out.prose(f"  stamped by {answer.stamped_by}, {local(answer.stamped)}{again}", 4)
        if answer.stamp_problem:
            session.out.prose(f"  STAMP: {answer.stamp_problem}", 4)
    return 0 if answer.ok else LedgerDamaged.exit_code


def _content(name: str) -> str:
    try:
        return _bytes(name).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{name!r} is no note: it is not UTF-8") from None


def _bytes(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(LARGEST + 1)
        with Path(name).open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{name!r} can't be read: {error.strerror}") from None


@checkpoint.command("new-key")
@click.option("--reason", required=True, metavar="TEXT", help="Why; the ledger records it.")
@pass_session
def new_key(session: CommandSession, reason: str) -> None:
    """Begin a new key, if the old one is lost.

    The archive gets another name for strangers, since witnesses refuse a second
    history under the old one. Tell everyone who has the old key. Earlier notes
    stay in the vault and can still be verified. For administrators.

    \b
    Example:
      muniment checkpoint new-key --reason 'the old server burnt'
    """
    answer = session.ask(NewCheckpointKey(reason=reason), SignedCheckpoint)
    if session.json:
        session.out.json(plain(answer))
        return
    session.out.prose(f"{answer.origin} begins. Give its keys to the witnesses and to everyone who checks:")
    for key in answer.keys:
        session.out.line(f"  {key}")


COMMANDS = (checkpoint,)

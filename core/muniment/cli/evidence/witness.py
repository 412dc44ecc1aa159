"""Commands for a witness: witness init, trust, serve, add, status. They need no vault."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.output import complain
from muniment.errors import LedgerDamaged, UsageError
from muniment.system.environment import state_folder
from muniment.system.formatting import count, seconds

LISTEN = "127.0.0.1:8472"
DAY = 86_400
LARGEST = 1024 * 1024
"""Most bytes that are read of a file."""
SILENT = 1
"""The exit code of `witness status` if a log is silent."""

in_folder = click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The witness's folder; by default one in your state folder.",
)


@click.group(cls=CommandGroup)
def witness() -> None:
    """Watch the checkpoints of archives, on another machine.

    A witness keeps the last checkpoint of each archive, and signs a new one only
    if it continues the last. So an archive that was set back, cut or rewritten
    is noticed. It sees sizes and hashes, and no mail.

    \b
    Example:
      muniment witness init witness.example.org/w1
      muniment witness trust 'example.com/muniment/4f2a+530d903a+AekyeRrm...'
      muniment witness serve --listen 192.0.2.7:8472
    """


def _place(folder: Path | None) -> Path:
    return (folder or state_folder() / "witness").absolute()


@witness.command("init")
@click.argument("name")
@in_folder
@pass_session
def init(session: CommandSession, name: str, folder: Path | None) -> None:
    """Make a witness: its folder and its key.

    NAME is for ever, such as witness.example.org/w1. Prints the public keys,
    which go into [checkpoints] of the archive's vault.toml.

    \b
    Example:
      muniment witness init witness.example.org/w1
    """
    keys = session.engine.witness().make(_place(folder), name)
    if session.json:
        session.out.json({"folder": str(_place(folder)), "keys": keys})
        return
    session.out.prose(f"The witness is in {_place(folder)}. Its public keys, for those who trust it:")
    for key in keys:
        session.out.line(key)


@witness.command("trust")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@in_folder
@pass_session
def trust(session: CommandSession, keys: tuple[str, ...], folder: Path | None) -> None:
    """Sign for the archive that has this key.

    `muniment checkpoint show` prints an archive's keys. Get them in a way that
    you trust, since everything depends on them.

    \b
    Example:
      muniment witness trust 'example.com/muniment/4f2a+530d903a+AekyeRrm...'
    """
    new = session.engine.witness().trust(_place(folder), keys)
    if session.json:
        session.out.json({"new": new})
    else:
        session.out.prose(f"{count(len(new))} of {count(len(keys))} keys are new.")


@witness.command("serve")
@click.option("--listen", default=LISTEN, show_default=True, metavar="ADDRESS:PORT", help="Where to listen.")
@click.option(
    "--certificate",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="For HTTPS, in PEM.",
)
@click.option(
    "--key", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="The certificate's key."
)
@in_folder
@pass_session
def serve(
    session: CommandSession, listen: str, certificate: Path | None, key: Path | None, folder: Path | None
) -> None:
    """Answer archives over HTTP, in the foreground.

    The protocol is C2SP tlog-witness. Ends on Ctrl-C or SIGTERM.

    \b
    Example:
      muniment witness serve --listen 192.0.2.7:8472
    """

    def say(line: str) -> None:
        if session.json:
            session.out.json({"line": line})
        else:
            session.out.line(line)
        session.out.flush()

    session.engine.witness().serve(_place(folder), listen, say, certificate, key)


@witness.command("add")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True))
@in_folder
@pass_session
def add(session: CommandSession, files: tuple[str, ...], folder: Path | None) -> None:
    """Check a checkpoint that came as a file, and sign it.

    For a witness that no archive can reach, such as an auditor's laptop. FILE is
    made by `muniment checkpoint show --from SIZE`; - is standard input. Prints
    the signature lines. Exits 6 if the archive was changed.

    \b
    Example:
      muniment witness add 20852014-20852163.request
    """
    for name in files:
        lines = session.engine.witness().add(_place(folder), _content(name))
        if session.json:
            session.out.json({"file": name, "signatures": lines.splitlines()})
        else:
            session.out.block(lines)


def _content(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(LARGEST + 1)
        with Path(name).open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{name!r} can't be read: {error.strerror}") from None


@witness.command("status")
@click.option(
    "--silent",
    default=2.0,
    show_default=True,
    metavar="DAYS",
    type=click.FloatRange(min=0),
    help="After how many days without a checkpoint to warn.",
)
@in_folder
@pass_session
def status(session: CommandSession, silent: float, folder: Path | None) -> int:
    """Show the last checkpoint of each archive, and what was refused.

    Exits 6 if an archive has contradicted itself, 1 if one is silent.

    \b
    Example:
      muniment witness status
    """
    found = session.engine.witness().status(_place(folder))
    if session.json:
        session.out.json(found)
    else:
        for log in found["logs"]:
            _show(session, log)
        if not found["logs"]:
            session.out.line("This witness trusts no archive yet: see `muniment witness trust`.")
    if any(log["refused"] for log in found["logs"]):
        return LedgerDamaged.exit_code
    return SILENT if any(_is_silent(log, silent) for log in found["logs"]) else 0


def _is_silent(log: dict[str, Any], days: float) -> bool:
    late = log["seconds"] is None or log["seconds"] > days * DAY
    if late:
        complain(f"{log['origin']}: no checkpoint in the last {days:g} days.")
    return late


def _show(session: CommandSession, log: dict[str, Any]) -> None:
    session.out.line(log["origin"])
    if log["size"] is None:
        session.out.line("  no checkpoint yet")
    else:
        session.out.line(f"  {count(log['size'])} records, signed {seconds(log['seconds'])} ago")
        session.out.line(f"  {log['size']}:{log['root']}")
    for path in log["refused"]:
        session.out.prose(f"  REFUSED: it has signed two histories; the proof is {path}", 4)


COMMANDS = (witness,)

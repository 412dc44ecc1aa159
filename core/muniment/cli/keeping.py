"""Commands that keep a vault sound: verify, rebuild, backup."""

from __future__ import annotations

import click

from muniment.api import Backup, Rebuild, Verified, Verify
from muniment.cli.answers import last, watched, work
from muniment.cli.folders import absolute
from muniment.cli.frame import Command, Session, pass_session
from muniment.cli.humane import count
from muniment.cli.output import complain, plain
from muniment.errors import LedgerDamaged


@click.command(cls=Command)
@click.option("--deep", is_flag=True, help="Read and hash every byte anew.")
@pass_session
def verify(session: Session, deep: bool) -> int:
    """Prove that the vault is whole and unchanged.

    Checks the ledger's chain, that every part is there, and that catalog and
    index say what the ledger says. Exits 6 and names each problem where
    something does not prove itself; nothing is changed.

    \b
    Example:
      muniment verify --deep
    """
    _, rest = watched(session, Verify(deep=deep))
    return show_verified(session, last(rest, Verified))


def show_verified(session: Session, answer: Verified) -> int:
    """Print what was found; returns the exit code."""
    if session.json:
        session.out.json(plain(answer))
    else:
        head = "The vault is whole and unchanged" if answer.ok else "The vault does NOT prove itself"
        session.out.line(f"{head}: {count(answer.records)} records, {count(answer.messages)} messages.")
        session.out.line(f"Merkle tree of {count(answer.tree_size)} leaves, root")
        session.out.line(f"  {answer.root}")
        for problem in answer.problems:
            session.out.line(f"  {problem}")
    if answer.ok:
        return 0
    complain(
        f"{count(len(answer.problems))} problems were found: keep this vault as it is, "
        "and restore a backup beside it to compare."
    )
    return LedgerDamaged.exit_code


@click.command(cls=Command)
@click.option("--catalog", is_flag=True, help="Only the catalog: users' folders and lists.")
@click.option("--index", is_flag=True, help="Only the index for search.")
@click.option(
    "--accept-damage",
    is_flag=True,
    help="Go on with a ledger whose end is damaged, without what is lost of it; implies --catalog.",
)
@pass_session
def rebuild(session: Session, catalog: bool, index: bool, accept_damage: bool) -> int:
    """Build catalog and index anew from the ledger.

    Both are made from the ledger and nothing else; use this when they were
    lost or are doubted. Message ids stay the same. What is damaged is left out
    and named; where the end of the ledger is damaged, nothing is written until
    it was restored from a backup, or you decide to go on with --accept-damage:
    new records then go to a new segment, and the damaged one stays as it is.

    \b
    Example:
      muniment rebuild --index
    """
    both = catalog == index
    request = Rebuild(
        catalog=both or catalog or accept_damage, index=both or index, accept_damage=accept_damage
    )
    return work(session, request)


@click.command(cls=Command)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
@pass_session
def backup(session: Session, folder: str) -> int:
    """Copy the vault to a folder while it is in use.

    The copy is consistent: the first time all of it, later only what was added. To
    restore, copy the folder back, then run `muniment rebuild` and
    `muniment verify --deep` on it.

    \b
    Example:
      muniment backup /mnt/backup/mail
    """
    return work(session, Backup(path=str(absolute(folder))))


COMMANDS = (verify, rebuild, backup)

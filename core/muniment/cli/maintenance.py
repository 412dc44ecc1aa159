"""Commands that check, repair and copy a vault: verify, rebuild, backup."""

from __future__ import annotations

import click

from muniment.api import Backup, Done, ForgetBackup, Rebuild, Verified, Verify
from muniment.cli.answers import done, last, watched, work
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.output import complain, plain
from muniment.errors import LedgerDamaged
from muniment.system.environment import absolute
from muniment.system.formatting import count, local
from muniment.system.paths import as_text

WIDE = 32
"""Number of characters of a checkpoint that are shown to identify it."""


@click.command(cls=VaultCommand)
@click.option("--deep", is_flag=True, help="Read and hash every byte.")
@click.option(
    "--was",
    multiple=True,
    metavar="SIZE:ROOT",
    help="A checkpoint that you noted earlier; may be repeated.",
)
@pass_session
def verify(session: CommandSession, deep: bool, was: tuple[str, ...]) -> int:
    """Prove that the vault is whole and unchanged.

    Checks the ledger's hash chain, that every part is there, and that catalog
    and index agree with the ledger. Names each problem and exits 6 if there is
    one. It changes nothing but the note of its result.

    A chain alone can't show that its end is missing or that all of it was
    rewritten. So note the printed checkpoint on another machine. Pass it later
    with --was, to prove that the ledger has grown from it unchanged.

    \b
    Example:
      muniment verify --deep
      muniment verify --was 1042:5f3c...
    """
    _, rest = watched(session, Verify(deep=deep, was=was))
    return show_verified(session, last(rest, Verified))


def show_verified(session: CommandSession, answer: Verified) -> int:
    """Print the result of a verification, and return the exit code."""
    if session.json:
        session.out.json(plain(answer))
    else:
        head = "The vault is whole and unchanged" if answer.ok else "Verification FAILED"
        session.out.line(f"{head}: {count(answer.records)} records, {count(answer.messages)} messages.")
        if answer.erased:
            session.out.line(f"{count(answer.erased)} of the records are erased, by recorded decisions.")
        session.out.line(f"Merkle tree of {count(answer.tree_size)} leaves, root")
        session.out.line(f"  {answer.root}")
        if answer.checkpoint:
            session.out.line("Checkpoint (note it on another machine, and pass it with --was later):")
            session.out.line(f"  {answer.checkpoint}")
        for noted in answer.was:
            since = f" since {local(noted.time)}" if noted.time else ""
            session.out.prose(f"{noted.checkpoint[:WIDE]}: {noted.text}{since}.", 2)
        for note in answer.notes:
            session.out.prose(f"Note: {note}.", 2)
        for problem in answer.problems:
            session.out.prose(f"  {problem}", 4)
    if answer.ok:
        return 0
    wrong = len(answer.problems) + sum(noted.state != "unchanged" for noted in answer.was)
    complain(
        f"{count(wrong)} {'problem was' if wrong == 1 else 'problems were'} found: keep this vault as it is "
        "and restore a backup beside it to compare."
    )
    return LedgerDamaged.exit_code


@click.command(cls=VaultCommand)
@click.option("--catalog", is_flag=True, help="Rebuild only the catalog: folders and lists.")
@click.option("--index", is_flag=True, help="Rebuild only the search index.")
@click.option(
    "--accept-damage",
    is_flag=True,
    help="Continue after a damaged end of the ledger, without the lost part; implies --catalog.",
)
@pass_session
def rebuild(session: CommandSession, catalog: bool, index: bool, accept_damage: bool) -> int:
    """Rebuild catalog and index from the ledger.

    Use this if they are lost or may be wrong. Both are made from the ledger
    alone, and message ids stay the same. Damaged records are left out and
    named.

    If the end of the ledger is damaged, nothing is written until you restore
    it from a backup or pass --accept-damage. With --accept-damage new records
    go to a new segment, and the damaged one stays as it is.

    \b
    Example:
      muniment rebuild --index
    """
    both = catalog == index
    request = Rebuild(
        catalog=both or catalog or accept_damage, index=both or index, accept_damage=accept_damage
    )
    return work(session, request)


@click.command(cls=VaultCommand)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
@click.option("--forget", is_flag=True, help="Forget that DIR has a backup; its files stay.")
@pass_session
def backup(session: CommandSession, folder: str, forget: bool) -> int:
    """Copy the vault to a folder while it is in use.

    The copy is consistent. The first backup copies everything, later ones only
    what was added. To restore, copy the folder back, then run `muniment rebuild`
    and `muniment verify --deep` on it.

    The vault's health is judged by the last backup to each folder. With
    --forget, a folder that is not used any more no longer counts.

    \b
    Example:
      muniment backup /mnt/backup/mail
    """
    if forget:
        done(session, session.ask(ForgetBackup(path=as_text(absolute(folder))), Done))
        return 0
    return work(session, Backup(path=as_text(absolute(folder))))


COMMANDS = (verify, rebuild, backup)

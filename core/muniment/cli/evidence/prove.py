"""The command that writes the proof of a message for a stranger: prove."""

from __future__ import annotations

import click

from muniment.api import Prove
from muniment.cli.answers import work
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.messages import REASON
from muniment.cli.output import complain
from muniment.system.environment import absolute
from muniment.system.paths import as_text


@click.command(cls=VaultCommand)
@click.argument("id")
@click.option(
    "--to", "path", type=click.Path(), metavar="FILE.zip", required=True, help="A file that is not there yet."
)
@click.option(
    "--at", default="", metavar="SIZE:ROOT", help="Prove it in this checkpoint, which is noted elsewhere."
)
@REASON
@pass_session
def prove(session: CommandSession, id: str, path: str, at: str, reason: str) -> int:
    """Write a file that proves a message to a stranger.

    ID is the message's id, or at least the first 8 digits of it. The file has
    the message's exact bytes, the journal reports, who read it, proofs that
    all this was in the archive at a checkpoint, and a page in plain words.
    Anyone can check it with `python3 verify_ledger.py --proof FILE.zip`,
    which needs no Muniment. Whoever gets the file must know its checkpoint or
    the archive's public key from elsewhere: name a checkpoint that they have
    with --at, else it is the newest signed one. For auditors and administrators, since it names
    Bcc recipients; the audit trail records it.

    \b
    Example:
      muniment prove 3f7a91c20b44 --to proof.zip
    """
    where = absolute(path)
    try:
        return work(session, Prove(id=id, path=as_text(where), at=at, reason=reason), into=where)
    except KeyboardInterrupt:
        complain("An incomplete proof leaves nothing behind.")
        raise


COMMANDS = (prove,)

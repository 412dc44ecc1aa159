"""`muniment subject package`: the file that a person is given."""

from __future__ import annotations

import click

from muniment.api import PackageSubject
from muniment.cli.answers import work
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.output import complain
from muniment.system.environment import absolute
from muniment.system.paths import as_text


@click.command(cls=VaultCommand)
@click.argument("name")
@click.option("--out", "path", type=click.Path(), metavar="FILE.zip", required=True, help="A new file.")
@click.option(
    "--undecided", type=click.Choice(["include", "withhold"]), help="What to do with undecided messages."
)
@click.option(
    "--list-withheld", "listed", is_flag=True, help="Also list what is withheld, as numbers and reasons."
)
@pass_session
def package(session: CommandSession, name: str, path: str, undecided: str | None, listed: bool) -> int:
    """Make the package that is handed over: a zip with what is included.

    It has the messages with their attachments, an index for a browser and one
    for a spreadsheet, a README in plain words, the proof of each message and
    two scripts that check it. Bcc recipients and envelopes of other people
    are left out: a message whose header could name them is given in its
    public form. It is refused while messages are undecided, unless
    --undecided says what to do. The hash of the file is recorded.

    Where [approvals] in vault.toml has "hand over", another administrator
    must approve it first; then give the command again. For auditors and
    administrators; the audit trail records each message.

    \b
    Example:
      muniment subject package ada@example.com --out ada.zip --list-withheld
    """
    where = absolute(path)
    request = PackageSubject(name=name, path=as_text(where), undecided=undecided or "", listed=listed)
    try:
        return work(session, request, into=where)
    except KeyboardInterrupt:
        complain("An incomplete package leaves nothing behind.")
        raise

"""`muniment restore`: give messages back into a mailbox."""

from __future__ import annotations

import re

import click

from muniment.api import Restore, Restored
from muniment.cli.answers import last, watched
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.complete_names import profiles
from muniment.cli.messages import REASON, USER
from muniment.cli.output import complain, plain
from muniment.system.formatting import count

SHOWN = 20
"""Most messages that text names one by one; --json has more."""
_ID = re.compile(r"[0-9a-fA-F]{8,64}\Z")


@click.command(cls=VaultCommand)
@click.argument("what", metavar="ID...|QUERY", nargs=-1, required=True)
@click.option(
    "--to", required=True, metavar="MAILBOX[/FOLDER]", help="The mailbox, and a folder in it."
)  # fmt: skip
@click.option(
    "--by", "profile", default="", metavar="PROFILE", shell_complete=profiles,
    help="The profile whose server and login are used, or mail to send by SMTP.",
)  # fmt: skip
@USER
@click.option("--exact", is_flag=True, help="Exact bytes of all messages. For administrators.")
@click.option("--again", is_flag=True, help="Also what was given back to this folder before.")
@REASON
@pass_session
def restore(
    session: CommandSession,
    what: tuple[str, ...],
    to: str,
    profile: str,
    user: str,
    exact: bool,
    again: bool,
    reason: str,
) -> int:
    """Give messages back into a mailbox, each once.

    Words that are all ids of messages name these; anything else is a query.
    Without a folder, mail goes into the one that vault.toml names, Restored.
    A message keeps its date and its flags. The same command again goes on
    where it was interrupted; nothing comes twice.

    A mailbox gets exact bytes of what was fetched from it and of what its
    owner sent. Other mail comes without Bcc and transport fields, unless an
    administrator says --exact. Only an administrator puts mail into a mailbox
    whose owner does not have it.

    \b
    Example:
      muniment restore 3f9a21c0 --to ada@example.com
      muniment restore 'user:ada@x.org after:2026-01-01' --to ada@x.org/Inbox
    """
    ids = what if all(map(_ID.match, what)) else ()
    request = Restore(
        to=to, query="" if ids else " ".join(what), ids=ids, user=user, profile=profile, exact=exact,
        again=again, reason=reason,
    )  # fmt: skip
    try:
        _, rest = watched(session, request)
    except KeyboardInterrupt:
        complain("What was given back stays there. The same command goes on from here.")
        raise
    return _report(session, last(rest, Restored))


def _report(session: CommandSession, answer: Restored) -> int:
    if session.json:
        session.out.json(plain(answer))
    else:
        session.out.prose(answer.message)
        for one in answer.failed[:SHOWN]:
            complain(f"{one.id[:12]}: {one.reason}")
        if answer.missed > SHOWN:
            complain(f"{count(answer.missed - SHOWN)} more could not be given back; --json names them.")
    return 1 if answer.missed else 0


COMMANDS = (restore,)

"""Commands for notifications: notify test, notify sign-in."""

from __future__ import annotations

import click

from muniment.api import Done, SignIn, Step, TestNotify
from muniment.cli.answers import done, last, step_as_json, streaming
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.output import plain


@click.group(cls=CommandGroup)
def notify() -> None:
    """Notify people when something is wrong.

    The section [notify] of vault.toml says who is notified, of what, and
    how: by mail, by an Apprise URL, or by a program.

    \b
    Example:
      muniment notify test
    """


@notify.command()
@pass_session
def test(session: CommandSession) -> int:
    """Send a test message in every way that is set up.

    Says which ways worked. Exits 1 if one did not.

    \b
    Example:
      muniment notify test
    """
    steps, rest = [], []
    with streaming(session, TestNotify()) as words:
        for word in words:
            if isinstance(word, Step):
                steps.append(word)
                _show(session, word)
            else:
                rest.append(word)
    answer = last(rest, Done)
    if session.json:
        session.out.json(plain(answer) | {"ways": [step_as_json(step) for step in steps]})
    else:
        done(session, answer)
    return 0 if all(step.ok for step in steps) else 1


@notify.command("sign-in")
@pass_session
def sign_in(session: CommandSession) -> None:
    """Sign in to the mailbox that notifications are sent from.

    For auth = "device" in vault.toml, [notify.mail]. Shows a page to open on
    any device and a code to enter there, and waits until you have signed in.
    The sign-in is kept in the vault, and only its owner can read it.

    \b
    Example:
      muniment notify sign-in
    """
    with streaming(session, SignIn(notify=True)) as words:
        for word in words:
            if isinstance(word, Step) and not session.json:
                session.out.prose(word.text)
                session.out.flush()
            elif isinstance(word, Step):
                session.out.json(step_as_json(word))
            elif isinstance(word, Done):
                done(session, word)


def _show(session: CommandSession, step: Step) -> None:
    if not session.json:
        session.out.prose(f"  {'ok    ' if step.ok else 'failed'}  {step.text}", 10)
        session.out.flush()


COMMANDS = (notify,)

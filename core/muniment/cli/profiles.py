"""`muniment profile`: the mailboxes that mail is fetched from."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from muniment.api import (
    Certificate,
    CheckProfile,
    Done,
    ListProfiles,
    Problems,
    Profiles,
    ProfileWord,
    PutProfile,
    RemoveProfile,
    RenameProfile,
    ShowProfile,
    SignIn,
    Step,
    TestProfile,
)
from muniment.cli.answers import done, step_as_json, streaming
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.complete_names import profiles as known_profiles
from muniment.cli.output import TableColumn, complain, plain
from muniment.errors import NotFound, SourceError, UsageError
from muniment.profiles.fields import FIELD, FIELDS, ProfileField
from muniment.profiles.registry import KIND, KINDS
from muniment.system.environment import absolute
from muniment.system.formatting import local
from muniment.system.paths import as_path, as_text

F = TypeVar("F", bound=Callable[..., Any])

KIND_NAMES = tuple(kind.name for kind in KINDS)
FIELD_NAMES = ("source", *FIELD)
PLACES = (
    click.option("--password-file", type=click.Path(), metavar="F", help="Read the password from this file."),
    click.option("--password-env", metavar="NAME", help="Read the password from this environment variable."),
    click.option("--password-command", metavar="COMMAND", help="This command prints the password."),
    click.option("--password-keyring", metavar="SERVICE/USER", help="Read the password from the keyring."),
)
"""The options that say where the password is."""


def _option(field: ProfileField) -> Callable[[F], F]:
    """The command-line option that sets a field of a profile."""
    name = "--" + field.name.replace("_", "-")
    if field.type == "flag":
        return click.option(field.switch, field.name, default=None, help=field.help)
    if field.type == "choice":
        return click.option(name, type=click.Choice(field.choices), help=field.help)
    if field.type == "list":
        return click.option(name, multiple=True, metavar=field.metavar, help=field.help + " May be repeated.")
    if field.type == "number":
        kind = click.IntRange(field.least, field.most)
        return click.option(name, type=kind, metavar=field.metavar, help=field.help)
    if field.type == "path":
        return click.option(name, type=click.Path(), metavar=field.metavar, help=field.help)
    return click.option(name, metavar=field.metavar, help=field.help)


def _fields(function: F) -> F:
    """Decorate a command with the options of all fields, in the order of the table."""
    for field in reversed(FIELDS):
        for option in reversed(PLACES if field.type == "password" else (_option(field),)):
            function = option(function)
    return function


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The profile fields that were given as options, as vault.toml has them.

    Raises:
        UsageError: More than one option says where the password is.
    """
    fields = {name: value for name, value in options.items() if value is not None and value != ()}
    places = {name: fields.pop(name) for name in tuple(fields) if name.startswith("password_")}
    if len(places) > 1:
        named = " and ".join("--" + name.replace("_", "-") for name in places)
        raise UsageError(f"Say only once where the password is, not with both {named}.")
    for name, value in places.items():
        kind = name.removeprefix("password_")
        fields["password"] = {kind: as_text(absolute(value)) if kind == "file" else value}
    for name in fields:
        if name in FIELD and FIELD[name].type == "path":
            fields[name] = as_text(absolute(as_path(fields[name])))
    return fields


def asked_to_run(session: CommandSession, name: str, fields: dict[str, Any], new: bool) -> dict[str, Any]:
    """Ask whether a profile that was not tested is to run by itself.

    It asks only on a terminal, and only if `enabled` is not given. Without an answer the service lets an
    untested profile run by hand only.

    Args:
        session: Where to ask.
        name: The profile's name.
        fields: The fields to save.
        new: Whether the profile is a new one.

    Returns:
        `fields`, with `enabled` added if the person was asked.
    """
    if "enabled" in fields or session.json or not session.out.interactive:
        return fields
    before = None if new else session.ask(ShowProfile(name=name), ProfileWord)
    merged = (before.fields | {"source": before.source} if before else {}) | fields
    merged = {field: value for field, value in merged.items() if value is not None}
    if not merged.get("enabled", True):
        return fields
    checked = session.ask(CheckProfile(name=name, fields=merged, new=new), Problems)
    if checked.problems or checked.tested:
        return fields
    every = merged.get("every", FIELD["every"].default)
    delete = merged.get("delete", KIND[merged["source"]].delete)
    warning = " What is safely kept is deleted at the source." if delete else ""
    question = f"{name} was not tested. Run it from now on, every {every} s?{warning}"
    return fields | {"enabled": session.out.confirm(question)}


@click.group(cls=CommandGroup)
def profile() -> None:
    """Manage the mailboxes that mail is fetched from.

    vault.toml never has a password in it: a profile says where to find it.

    \b
    Example:
      muniment profile add gw --source gateway --host gw.example
          --mailbox mbx-0123 --password-file /etc/gw.pass
      muniment profile test gw
    """


@profile.command()
@click.argument("name")
@click.option("--source", type=click.Choice(KIND_NAMES), required=True, help="The kind of mailbox.")
@_fields
@pass_session
def add(session: CommandSession, /, name: str, **options: Any) -> None:
    """Add a profile.

    A new profile runs by hand only, until a test or a run of it succeeds. On a
    terminal you are asked whether it runs by itself from now on; --enabled
    answers yes.

    Fields that you leave out have the defaults of their kind. Mail in a gateway
    and in the spool is deleted once it is safely kept; other mailboxes are left
    as they are. Reports are unwrapped from gateway, spool and files, but not
    from an ordinary mailbox, because anyone can mail a forged report there.

    \b
    Example:
      muniment profile add gw --source gateway --host gw.example
          --mailbox mbx-0123 --password-file /etc/gw.pass
      muniment profile add old --source mbox --path /srv/old.mbox
    """
    fields = asked_to_run(session, name, given(options), new=True)
    done(session, session.ask(PutProfile(name=name, fields=fields, new=True), Done))


@profile.command()
@click.argument("name", shell_complete=known_profiles)
@click.option("--source", type=click.Choice(KIND_NAMES), help="The kind of mailbox.")
@_fields
@click.option(
    "--unset",
    multiple=True,
    type=click.Choice(tuple(FIELD)),
    metavar="FIELD",
    help="Set FIELD to its default.",
)
@pass_session
def edit(session: CommandSession, /, name: str, unset: tuple[str, ...], **options: Any) -> None:
    """Change the given fields of a profile.

    If a change affects how the mailbox is reached, the profile counts as
    untested again: see `muniment profile add --help`.

    \b
    Example:
      muniment profile edit gw --every 60 --unset port
    """
    fields = given(options)
    if both := sorted(set(unset) & set(fields)):
        raise UsageError(f"{both[0]} is both set and unset: choose one.")
    if not fields and not unset:
        raise UsageError("Name at least one field to change, such as --every 60.")
    fields = asked_to_run(session, name, fields | dict.fromkeys(unset), new=False)
    done(session, session.ask(PutProfile(name=name, fields=fields), Done))


@profile.command("list")
@pass_session
def list_(session: CommandSession) -> None:
    """List the profiles.

    \b
    Example:
      muniment profile list
    """
    answer = session.ask(ListProfiles(), Profiles)
    if session.json:
        session.out.json([plain(one) for one in answer.profiles])
        return
    if not answer.profiles:
        session.out.line("No profiles yet: `muniment profile add --help` says how to add one.")
        return
    columns = [
        TableColumn("Profile"),
        TableColumn("Source"),
        TableColumn("Every", right=True),
        TableColumn("Mailbox", fill=True),
    ]
    session.out.table(columns, (_row(one) for one in answer.profiles))
    for one in answer.profiles:
        if not one.tested:
            session.out.line(f"{one.name} is not tested yet: it runs by hand only.")


def _row(one: ProfileWord) -> list[str]:
    fields = one.fields
    every = f"{fields.get('every', 300)} s" if fields.get("enabled", True) else "off"
    if not one.tested:
        every = "untested"
    server = "/".join(str(fields[name]) for name in ("host", "mailbox") if fields.get(name))
    return [one.name, one.source, every, server or str(fields.get("path") or "")]


@profile.command()
@click.argument("name", shell_complete=known_profiles)
@pass_session
def show(session: CommandSession, name: str) -> None:
    """Show a profile with all its fields, including defaults.

    \b
    Example:
      muniment profile show gw
    """
    answer = session.ask(ShowProfile(name=name), ProfileWord)
    if session.json:
        session.out.json(plain(answer))
        return
    session.out.line(f"{answer.name}: {answer.source}")
    if not answer.tested:
        session.out.line("  not tested yet: it runs by hand only")
    for field, value in answer.fields.items():
        if value not in (None, "") and field not in ("name", "source"):
            session.out.line(f"  {field:<12}{value if isinstance(value, str) else json.dumps(value)}")


@profile.command()
@click.argument("name", shell_complete=known_profiles)
@pass_session
def test(session: CommandSession, name: str) -> int:
    """Connect to a profile's mailbox and list it. Fetches and deletes nothing.

    \b
    Example:
      muniment profile test gw
    """
    steps: list[Step] = []
    certificates: list[Certificate] = []
    message = ""
    with streaming(session, TestProfile(name=name)) as words:
        for word in words:
            if isinstance(word, Step):
                steps.append(word)
                if not session.json:
                    session.out.prose(f"{'ok    ' if word.ok else 'FAILED'}  {word.text}", 8)
            elif isinstance(word, Certificate):
                certificates.append(word)
                if not session.json:
                    _certificate(session, word)
            elif isinstance(word, Done):
                message = word.message
    ok = all(step.ok for step in steps)
    if session.json:
        session.out.json(
            {
                "ok": ok,
                "steps": [step_as_json(step) for step in steps],
                "certificates": [plain(word) for word in certificates],
                "message": message,
            }
        )
    elif ok:
        session.out.prose(message)
    if not ok:
        complain(message or "The mailbox can't be used as it is set up.")
    return 0 if ok else SourceError.exit_code


def _certificate(session: CommandSession, word: Certificate) -> None:
    """Print a server's certificate, and how to trust it if no known authority has issued it."""
    issuer = "itself" if word.self_signed else word.issuer or "?"
    session.out.prose(f"        certificate of {word.subject or '?'}, issued by {issuer}")
    session.out.line(f"        expires {local(word.expires)}; SHA-256 {word.fingerprint}")
    if not word.trusted:
        session.out.line("        To trust this certificate, ask its owner to confirm it and add:")
        session.out.line(f"        --fingerprint {word.fingerprint}")


@profile.command("sign-in")
@click.argument("name", shell_complete=known_profiles)
@pass_session
def sign_in(session: CommandSession, name: str) -> None:
    """Sign in to a mailbox by OAuth 2 as a person.

    For profiles with --auth device. Shows a page to open on any device and a
    code to enter there, and waits until you have signed in. The sign-in is
    kept in the vault, and only its owner can read it.

    \b
    Example:
      muniment profile sign-in anna
    """
    with streaming(session, SignIn(name=name)) as words:
        for word in words:
            if isinstance(word, Step) and not session.json:
                session.out.prose(word.text)
                session.out.flush()
            elif isinstance(word, Step):
                session.out.json(plain(word))
            elif isinstance(word, Done):
                done(session, word)


@profile.command()
@click.argument("name", shell_complete=known_profiles)
@click.argument("new_name")
@pass_session
def rename(session: CommandSession, name: str, new_name: str) -> None:
    """Rename a profile.

    Nothing is fetched again, because archived mail is known by its mailbox.

    \b
    Example:
      muniment profile rename gw headquarters
    """
    done(session, session.ask(RenameProfile(name=name, to=new_name), Done))


@profile.command()
@click.argument("name", shell_complete=known_profiles)
@click.argument("new_name")
@_fields
@pass_session
def copy(session: CommandSession, /, name: str, new_name: str, **options: Any) -> None:
    """Add a copy of a profile, with the given fields changed.

    \b
    Example:
      muniment profile copy gw gw2 --host gw2.example
    """
    known = {one.name: one for one in session.ask(ListProfiles(), Profiles).profiles}
    if name not in known:
        raise NotFound(f"There is no profile {name!r}: `muniment profile list` shows them.")
    fields = {"source": known[name].source} | known[name].fields | given(options)
    fields = asked_to_run(session, new_name, fields, new=True)
    done(session, session.ask(PutProfile(name=new_name, fields=fields, new=True), Done))


@profile.command()
@click.argument("name", shell_complete=known_profiles)
@pass_session
def remove(session: CommandSession, name: str) -> None:
    """Remove a profile. Its archived mail stays.

    \b
    Example:
      muniment profile remove old
    """
    done(session, session.ask(RemoveProfile(name=name), Done))


COMMANDS = (profile,)

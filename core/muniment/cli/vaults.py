"""Commands about a vault as a whole: init, status."""

from __future__ import annotations

from typing import Any

import click

from muniment.api import Done, GetStatus, Init, LoginWord, ProfileStatus, Status
from muniment.cli.answers import done
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.output import TableColumn, complain, plain
from muniment.system.formatting import count, size

NOTE_IT = "note it elsewhere; `muniment verify --was` later proves that nothing before it was changed"


@click.command(cls=VaultCommand)
@click.option("--domain", "domains", metavar="D", multiple=True, help="A mail domain of the organisation.")
@click.option("--name", default="", help="The organisation's name.")
@pass_session
def init(session: CommandSession, domains: tuple[str, ...], name: str) -> None:
    """Make a new vault.

    The folder must be new or empty; only you can read it afterwards. People
    with an address at one of the organisation's domains become users
    automatically when mail for them arrives.

    \b
    Example:
      muniment init --vault /srv/mail --domain example.com --domain example.org
    """
    done(session, session.ask(Init(domains=tuple(d.strip().lower() for d in domains), name=name), Done))


@click.command(cls=VaultCommand)
@pass_session
def status(session: CommandSession) -> None:
    """Show the state of the vault: its size, profiles and last runs.

    \b
    Example:
      muniment status
    """
    answer = session.ask(GetStatus(), Status)
    if session.json:
        session.out.json(plain(answer))
        return
    out = session.out
    for name, value in status_lines(answer):
        out.line(f"{name:<12}{value}")
    if answer.checkpoint:
        out.line(f"{'Checkpoint':<12}{answer.checkpoint}")
        out.line(" " * 12 + NOTE_IT)
    for warning in answer.warnings:
        complain(f"Warning: {warning}.")
    if answer.profiles:
        out.line()
        columns = [
            TableColumn("Profile"),
            TableColumn("Source"),
            TableColumn("Every", right=True),
            TableColumn("Last run", fill=True),
        ]
        out.table(columns, ([p.name, p.source, every(p), last_run(p)] for p in answer.profiles))
    else:
        out.line("No profiles yet: `muniment profile add --help` says how to add one.")


def status_lines(answer: Status) -> list[tuple[str, str]]:
    """The summary that `status` prints: names and values, a line each."""
    named = " ".join(
        part for part in (answer.name, f"({', '.join(answer.domains)})" if answer.domains else "") if part
    )
    return [
        ("Vault", answer.vault),
        ("For", named or "no domain is set: all mail goes to the catch-all"),
        ("Owner", answer.owner or "no process uses it now"),
        (
            "Messages",
            f"{count(answer.messages)} of {count(answer.users)} users, from {count(answer.envelopes)} copies",
        ),
        ("Quarantine", f"{count(answer.quarantined)} items"),
        ("Not indexed", f"{count(answer.behind)} messages"),
        (
            "On disk",
            f"ledger {size(answer.bytes_ledger)}, catalog {size(answer.bytes_catalog)}, "
            f"index {size(answer.bytes_index)}",
        ),
        ("Raw mail", size(answer.bytes_raw)),
        *[("Login", refused_login(login)) for login in answer.logins],
    ]


def refused_login(login: LoginWord) -> str:
    """Why a login can't read any mail, and what to do about it."""
    if login.state == "nobody":
        return f"{login.login} reads nothing: no user has {login.address}; correct vault.toml"
    moved = f"moved from {login.user} to {login.holder}" if login.user else f"belongs to {login.holder}"
    return (
        f"{login.login} reads nothing: {login.address} {moved}; if that is the same person, "
        f"run `muniment users bind {login.login}`, otherwise correct vault.toml"
    )


def every(profile: ProfileStatus) -> str:
    """How often a profile runs by itself, such as `300 s`, `off` or `by hand`."""
    if profile.enabled and not profile.tested:
        return "by hand"
    return f"{profile.every} s" if profile.enabled else "off"


def last_run(profile: ProfileStatus) -> str:
    """How a profile's last run ended, or that it runs now; and whether it is still untested."""
    if profile.running:
        return "running now: `muniment watch` shows its progress"
    ended = _ended(profile)
    return ended if profile.tested else f"{ended}; not tested yet: runs by hand only"


def _ended(profile: ProfileStatus) -> str:
    last: dict[str, Any] | None = profile.last
    if last is None:
        return "never ran"
    books = "" if last.get("balanced", True) else ", unbalanced"
    words = [
        f"{count(int(last[key]))} {key}"
        for key in ("new", "merged", "quarantined", "failed")
        if last.get(key)
    ]
    return f"{last.get('state', '')}{books}: {', '.join(words) or 'nothing new'}"


COMMANDS = (init, status)

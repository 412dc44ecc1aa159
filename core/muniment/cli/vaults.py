"""Commands about a vault as a whole: init, status."""

from __future__ import annotations

from typing import Any

import click

from muniment.api import Done, GetHealth, GetStatus, Health, Init, LoginWord, ProfileStatus, Status
from muniment.cli.answers import done
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.health.figures import health_as_json, health_lines
from muniment.cli.health.nagios import check
from muniment.cli.output import TableColumn, plain
from muniment.client.known_vaults import note_vault
from muniment.system.formatting import count, local, size

INDENT = 12
"""Width of the names beside the values that `status` prints."""
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
    request = Init(domains=tuple(d.strip().lower() for d in domains), name=name, sign=True)
    answer = session.ask(request, Done)
    note_vault(session.vault, name)
    done(session, answer)


@click.command(cls=VaultCommand)
@click.option("--check", "checking", is_flag=True, help="Answer as a plugin of Nagios does.")
@pass_session
def status(session: CommandSession, checking: bool) -> int:
    """Show the vault's health, size, profiles and last runs.

    With --check, prints one line for a monitoring system such as Nagios,
    Icinga or Checkmk, and exits 0 (OK), 1 (WARNING), 2 (CRITICAL) or 3
    (UNKNOWN: the vault or its service can't be asked, or the command line is
    wrong). Health is the same here, on the first screen of the app and in
    notifications. For administrators and auditors; a user sees the number of
    their own messages.

    \b
    Example:
      muniment status
      muniment status --check --vault /srv/mail
    """
    if checking:
        return check(session)
    answer = session.ask(GetStatus(), Status)
    health = session.ask(GetHealth(), Health)
    if session.json:
        session.out.json(plain(answer) | {"health": health_as_json(health)})
        return 0
    out = session.out
    for name, value in status_lines(answer, health):
        out.prose(f"{name:<12}{value}", INDENT)
    if answer.checkpoint:
        out.prose(f"{'Checkpoint':<12}{NOTE_IT}", INDENT)
        out.line(f"  {answer.checkpoint}")
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
    return 0


def status_lines(answer: Status, health: Health) -> list[tuple[str, str]]:
    """The summary that `status` prints: names and values, a line each."""
    named = " ".join(
        part for part in (answer.name, f"({', '.join(answer.domains)})" if answer.domains else "") if part
    )
    return [
        ("Vault", answer.vault),
        *([("Demo", "made by `muniment demo`, with made-up mail")] if answer.demo else []),
        ("For", named or "no domain is set: all mail goes to the catch-all"),
        ("Owner", _owner(answer)),
        *health_lines(health),
        (
            "Messages",
            f"{count(answer.messages)} of {count(answer.users)} users, from {count(answer.envelopes)} copies",
        ),
        ("Quarantine", f"{count(answer.quarantined)} item{'' if answer.quarantined == 1 else 's'}"),
        ("Not indexed", f"{count(answer.behind)} message{'' if answer.behind == 1 else 's'}"),
        *([("Attachments", _attachments(answer))] if answer.waiting or answer.unread else []),
        (
            "On disk",
            f"ledger {size(answer.bytes_ledger)}, catalog {size(answer.bytes_catalog)}, "
            f"index {size(answer.bytes_index)}",
        ),
        ("Raw mail", size(answer.bytes_raw)),
        *([("Decisions", _decisions(answer))] if answer.holds or answer.approvals else []),
        *[("Login", refused_login(login)) for login in answer.logins],
    ]


def _attachments(answer: Status) -> str:
    """How many messages have attachments that wait to be read, or that could not be read."""
    waiting = f"those of {count(answer.waiting)} message{'' if answer.waiting == 1 else 's'} are not read yet"
    unread = f"some of {count(answer.unread)} can't be read (search has:unreadable)"
    return ", ".join([waiting] * bool(answer.waiting) + [unread] * bool(answer.unread))


def _decisions(answer: Status) -> str:
    """How many legal holds are open, and how many approvals wait."""
    holds = f"{count(answer.holds)} legal hold{'' if answer.holds == 1 else 's'}"
    waiting = f"{count(answer.approvals)} approval{'' if answer.approvals == 1 else 's'} waiting"
    return f"{holds}, {waiting}"


def _owner(answer: Status) -> str:
    """The process that writes the vault; its start in the time zone of the caller."""
    if answer.owner_pid:
        return f"process {answer.owner_pid}, since {local(answer.owner_since)}"
    return answer.owner or "no process uses it now"


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
    when = f", {local(int(last['ended']))}" if last.get("ended") else ""
    return f"{last.get('state', '')}{books}: {', '.join(words) or 'nothing new'}{when}"


COMMANDS = (init, status)

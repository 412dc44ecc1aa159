"""What the shell offers when one presses Tab: names that the vault knows."""

from __future__ import annotations

from collections.abc import Callable

import click

from muniment.api import ListLogins, ListProfiles, ListUsers, Logins, Profiles, Users
from muniment.cli.command import Session


def profiles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of profiles."""
    return _offered(
        ctx, incomplete, lambda session: [one.name for one in session.ask(ListProfiles(), Profiles).profiles]
    )


def users(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Primary addresses."""
    return _offered(
        ctx, incomplete, lambda session: [one.user for one in session.ask(ListUsers(), Users).users]
    )


def logins(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Logins of vault.toml."""
    return _offered(
        ctx, incomplete, lambda session: [one.login for one in session.ask(ListLogins(), Logins).logins]
    )


def _offered(ctx: click.Context, incomplete: str, names: Callable[[Session], list[str]]) -> list[str]:
    session = ctx.find_object(Session)
    if session is None:
        return []
    try:
        return [name for name in names(session) if name.startswith(incomplete) and name.isprintable()]
    except Exception:  # noqa: BLE001 - a Tab that can't be answered must not disturb the line being typed
        return []

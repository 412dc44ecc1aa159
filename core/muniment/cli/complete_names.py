"""Completion of names with the Tab key, from the vault's profiles, users, groups and logins."""

from __future__ import annotations

from collections.abc import Callable

import click

from muniment.api import Groups, ListGroups, ListLogins, ListProfiles, ListUsers, Logins, Profiles, Users
from muniment.cli.command import CommandSession


def profiles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of profiles that begin with `incomplete`."""
    return _offered(
        ctx, incomplete, lambda session: [one.name for one in session.ask(ListProfiles(), Profiles).profiles]
    )


def users(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Users' primary addresses that begin with `incomplete`."""
    return _offered(
        ctx, incomplete, lambda session: [one.user for one in session.ask(ListUsers(), Users).users]
    )


def logins(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Logins in vault.toml that begin with `incomplete`."""
    return _offered(
        ctx, incomplete, lambda session: [one.login for one in session.ask(ListLogins(), Logins).logins]
    )


def groups(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of groups that begin with `incomplete`."""
    return _offered(
        ctx, incomplete, lambda session: [one.name for one in session.ask(ListGroups(), Groups).groups]
    )


def queries(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of users or groups after `user:` or `group:`."""
    field, colon, begun = incomplete.partition(":")
    names = {"user": users, "group": groups}.get(field)
    if names is None or not colon:
        return []
    return [f"{field}:{name}" for name in names(ctx, param, begun) if " " not in name]


def _offered(ctx: click.Context, incomplete: str, names: Callable[[CommandSession], list[str]]) -> list[str]:
    session = ctx.find_object(CommandSession)
    if session is None:
        return []
    try:
        return [name for name in names(session) if name.startswith(incomplete) and name.isprintable()]
    except Exception:  # noqa: BLE001 - an error must not disturb the command that the user is typing
        return []

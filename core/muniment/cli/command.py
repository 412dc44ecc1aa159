"""What all commands share: the session, and the options --vault and --json."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from muniment.api import Request
from muniment.cli.engine_port import EngineDoors
from muniment.cli.output import CommandOutput
from muniment.client.client import Client, W
from muniment.client.find_vault import find_vault
from muniment.errors import UsageError
from muniment.system.environment import VAULT, absolute
from muniment.system.paths import typed

NO_VAULT = f"No vault is named: go to its folder, add --vault DIR, or set {VAULT} once for all commands."


class CommandSession:
    """One call of the program: its vault, its output, and its connection to the engine."""

    def __init__(self, engine: EngineDoors, out: CommandOutput) -> None:
        self.engine = engine
        self.out = out
        self.json = False
        self.folder: Path | None = None
        """The folder that --vault names; None without that option."""
        self._client: Client | None = None

    @property
    def vault(self) -> Path:
        """The vault's folder: from --vault, from MUNIMENT_VAULT, or else the vault of the current folder.

        Raises:
            UsageError: None of them gives one.
        """
        if self.folder is not None:
            return self.folder
        if named := os.environ.get(VAULT):
            return absolute(named)
        found = find_vault()
        if found.folder is not None:
            return found.folder
        raise UsageError(found.refused or NO_VAULT)

    @property
    def client(self) -> Client:
        """The client of the vault's engine; it connects at the first use.

        Raises:
            MunimentError: The engine can't be reached, or no vault is named.
        """
        if self._client is None:
            self._client = Client(self.engine.connect(self.vault))
        return self._client

    def ask(self, request: Request, reply: type[W]) -> W:
        """Send a request that has one reply.

        Args:
            request: What to ask of the engine.
            reply: The type of its reply.

        Returns:
            The reply.

        Raises:
            MunimentError: The engine refused the request or failed at it.
        """
        return self.client.call(request, reply)

    @property
    def shows_progress(self) -> bool:
        """Whether to draw progress: only on a capable terminal, and not with --json."""
        return self.out.can_redraw and not self.json

    def close(self) -> None:
        """Close the connection to the engine, if there is one."""
        if self._client is not None:
            self._client.close()
            self._client = None


pass_session = click.make_pass_decorator(CommandSession)


def _take_vault(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        _session(ctx).folder = absolute(value)


def _take_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        _session(ctx).json = True


def _session(ctx: click.Context) -> CommandSession:
    session = ctx.find_object(CommandSession)
    assert session is not None
    return session


def _vault_option() -> click.Option:
    return click.Option(
        ["--vault"],
        metavar="DIR",
        type=click.Path(file_okay=False, readable=False),
        callback=_take_vault,
        expose_value=False,
        help=f"The vault's folder; the default is {VAULT}, else the vault that you are in.",
    )


def json_option() -> click.Option:
    """The option --json, which sets `CommandSession.json`."""
    return click.Option(
        ["--json"],
        is_flag=True,
        callback=_take_json,
        expose_value=False,
        help="Answer in JSON, for programs.",
    )


def require_utf8(ctx: click.Context) -> None:
    """Decode every argument as UTF-8 except paths, since the name of a file can be any bytes.

    Raises:
        UsageError: An argument is not UTF-8.
    """
    for param in ctx.command.params:
        name = param.name or ""
        value = ctx.params.get(name)
        if isinstance(param.type, click.Path) or not isinstance(value, str | tuple):
            continue
        found = [
            typed(one) if isinstance(one, str) else one
            for one in ((value,) if isinstance(value, str) else value)
        ]
        if None in found:
            shown = param.opts[0] if isinstance(param, click.Option) else param.human_readable_name
            raise UsageError(
                f"{shown} is not UTF-8: set the terminal and its locale to UTF-8 and type it again."
            )
        ctx.params[name] = found[0] if isinstance(value, str) else tuple(found)


class VaultCommand(click.Command):
    """A command with --vault and --json."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and require UTF-8 of them."""
        rest = super().parse_args(ctx, args)
        require_utf8(ctx)
        return rest

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [_vault_option(), json_option()]


class CommandGroup(click.Group):
    """A family of commands; --vault can also come before the command's name."""

    command_class = VaultCommand
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False} | kwargs)
        self.params.append(_vault_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help when there are no arguments."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit(0 if ctx.parent is None else 2)
        return super().parse_args(ctx, args)

"""Commands for the service: in the foreground, or as a systemd unit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import click

from muniment.cli.command import CommandGroup, CommandSession, json_option, pass_session
from muniment.cli.output import complain
from muniment.errors import NotFound
from muniment.system.logs import LogFormat, log_to_stderr, say_in_log

RUNNING = ("active", "reloading")
"""The values of systemd's ActiveState of a service that works."""
STOPPED = 1
"""The exit code of `service status` for a service that is installed and does not run."""


class DefaultGroup(CommandGroup):
    """A family that does work of its own when no command follows its name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(json_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does: without a command, the family itself runs instead of showing its help."""
        return click.Group.parse_args(self, ctx, args)


@click.group(cls=DefaultGroup, invoke_without_command=True)
@click.option(
    "--log-format",
    type=click.Choice(["keys", "json"]),
    help="Log lines for programs on standard error: key=value pairs, or JSON.",
)
@click.pass_context
def service(ctx: click.Context, log_format: str | None) -> int:
    """Run the schedule and the embedded gateway in the foreground.

    Runs every enabled profile at its interval, and receives mail over SMTP if
    vault.toml has a [gateway]. Reports what it does on standard output, a line
    at a time. With --json each line is an object; with --log-format the lines
    go to the log instead. Ends on Ctrl-C or SIGTERM, after the current
    messages.

    \b
    Example:
      muniment service --vault /srv/mail
      muniment service install
    """
    if ctx.invoked_subcommand is not None:
        return 0
    session = cast(CommandSession, ctx.find_object(CommandSession))
    if log_format is None:
        return session.engine.serve(session.vault, lambda line: _report(session, line))
    log_to_stderr(cast(LogFormat, log_format))
    return session.engine.serve(session.vault, say_in_log)


def _report(session: CommandSession, line: str) -> None:
    if session.json:
        session.out.json({"line": line})
    else:
        session.out.line(line)
        session.out.flush()


@service.command()
@click.option("--print", "printing", is_flag=True, help="Show the units and write nothing.")
@click.option(
    "--user",
    default="",
    metavar="NAME",
    help="The account that runs it; by default the vault's owner, or muniment.",
)
@click.option(
    "--writable",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A folder besides the vault that it can write to, such as a backup's.",
)
@click.option("--force", is_flag=True, help="Replace existing units that differ.")
@pass_session
def install(
    session: CommandSession, printing: bool, user: str, writable: tuple[Path, ...], force: bool
) -> int:
    """Write systemd units for the vault's service.

    The service unit is hardened and runs under an account of its own. If
    vault.toml has a [gateway] that listens, there is a socket unit as well:
    systemd opens the port, so the service needs no root. The command says what
    to do next. Without root, or with --print, it shows the units and writes
    nothing.

    \b
    Example:
      muniment service install --vault /srv/mail --print
      muniment service install --vault /srv/mail --writable /mnt/backup
    """
    installer = session.engine.installer()
    if printing or os.geteuid():
        _show(session, installer.units(session.vault, user, writable))
        if not printing:
            session.out.line("# Nothing was written: run this command as root to install the units.")
        return 0
    _lines(session, installer.install(session.vault, user, writable, force))
    return 0


def _show(session: CommandSession, units: dict[str, str]) -> None:
    if session.json:
        session.out.json(units)
        return
    for name, text in units.items():
        session.out.line(f"# {name}")
        session.out.block(text)


@service.command()
@pass_session
def uninstall(session: CommandSession) -> int:
    """Stop the service and remove its systemd units. The vault stays.

    \b
    Example:
      muniment service uninstall
    """
    _lines(session, session.engine.installer().uninstall())
    return 0


@service.command()
@pass_session
def status(session: CommandSession) -> int:
    """Show the state of the service according to systemd.

    Exits 0 if it runs, 1 if it is installed and does not run, 10 if it is not
    installed. `muniment status` shows a service that a command started.

    \b
    Example:
      muniment service status
    """
    state = session.engine.installer().status()
    if session.json:
        session.out.json(state)
    else:
        for name, value in state.items():
            session.out.line(f"{name:<14}{value}")
    if state.get("installed") == "no":
        complain("The service is not installed: run `muniment service install` as root.")
        return NotFound.exit_code
    if state.get("ActiveState") in RUNNING:
        return 0
    complain(f"The service does not run: {_why(state)}.")
    return STOPPED


def _why(state: dict[str, str]) -> str:
    active = state.get("ActiveState")
    if active is None:
        return "systemd does not run this machine, or does not answer"
    return f"it is {active}; `systemctl status muniment` and `journalctl -u muniment` say why"


def _lines(session: CommandSession, lines: list[str]) -> None:
    if session.json:
        session.out.json({"lines": lines})
    else:
        for line in lines:
            session.out.line(line)


COMMANDS = (service,)

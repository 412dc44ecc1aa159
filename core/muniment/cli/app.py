"""The program: finds the command, runs it, and turns every error into one sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

import click

from muniment.cli.command import CommandSession
from muniment.cli.engine_port import EngineDoors
from muniment.cli.health import nagios
from muniment.cli.output import CommandOutput, complain, complain_lines
from muniment.cli.root import root
from muniment.errors import MunimentError, QueryError
from muniment.system.environment import COMPLETION
from muniment.system.sanitise import clean

DEBUG = "MUNIMENT_DEBUG"
INTERRUPTED, BROKEN_PIPE, BUG = 130, 141, 70


def main(argv: Sequence[str], engine: EngineDoors) -> int:
    """Run one command line.

    Args:
        argv: The arguments, without the program's name.
        engine: The ways into the engine.

    Returns:
        The exit code.
    """
    session = CommandSession(engine, CommandOutput())
    if not nagios.meant(argv):
        return guarded(lambda: _run(list(argv), session), session)
    code = guarded(lambda: _run_plugin(list(argv), session), session)
    return code if code in nagios.CODES.values() else nagios.UNKNOWN


def guarded(work: Callable[[], int], session: CommandSession) -> int:
    """Run `work`, then close the session.

    An exception is never passed on: it becomes a sentence on standard error.

    Returns:
        What `work` returned, or the exit code of its error.
    """
    try:
        code = work()
        session.out.flush()
        return code
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        return _misused(error)
    except MunimentError as error:
        return _refused(error)
    except BrokenPipeError:
        return _reader_gone()
    except (KeyboardInterrupt, click.Abort):
        complain("Stopped.")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place where a bug can become a sentence
        return _bug(error)
    finally:
        session.close()


def _run(argv: list[str], session: CommandSession) -> int:
    if instruction := os.environ.get(COMPLETION):
        from click.shell_completion import shell_complete

        return shell_complete(root, {"obj": session}, "muniment", COMPLETION, instruction)
    with root.make_context("muniment", argv, obj=session) as ctx:
        return int(root.invoke(ctx) or 0)


def _run_plugin(argv: list[str], session: CommandSession) -> int:
    """Run `status --check`: monitoring reads exit code 2, that of a wrong command line, as CRITICAL."""
    try:
        return _run(argv, session)
    except click.ClickException as error:
        return nagios.unknown(session, error.format_message())
    except MunimentError as error:
        return nagios.unknown(session, str(error))


def _misused(error: click.ClickException) -> int:
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f" Try '{error.ctx.command_path} --help'."
    complain(error.format_message() + hint)
    return error.exit_code


def _refused(error: MunimentError) -> int:
    complain(str(error))
    if isinstance(error, QueryError) and error.query:
        complain_lines(caret(error.query, error.position))
    return error.exit_code


def caret(query: str, position: int) -> str:
    """Two lines: the query, and a caret below its character number `position`.

    Wide characters count as the two cells that they take on a terminal.
    """
    from rich.cells import cell_len

    return f"  {clean(query)}\n  {' ' * cell_len(clean(query[:position]))}^"


def _reader_gone() -> int:
    """End quietly when the reader of the output has closed it, as `head` does."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _bug(error: Exception) -> int:
    hint = f" Set {DEBUG}=1 and try again to see the details."
    if os.environ.get(DEBUG):
        import traceback

        complain_lines("".join(traceback.format_exception(error)))
        hint = ""
    complain(f"This should not have happened ({type(error).__name__}). No archived mail is lost.{hint}")
    return BUG

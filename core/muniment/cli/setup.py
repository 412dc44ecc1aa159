"""`muniment setup`: the checklist from an empty vault to the first journal report."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path
from typing import Any

import click

from muniment.api import AffirmSetup, CheckSetup, GetSetup, PutSetup, Setup, SetupFinding, SetupStep
from muniment.cli.answers import streaming
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.output import TableColumn, complain, plain
from muniment.errors import NotFound, UsageError
from muniment.system.atomic_files import create_file
from muniment.system.environment import absolute
from muniment.system.formatting import iso, local, localised

EVIDENCE = "first-report"
"""The key of the last step, which the first journal report proves."""
POLL = 1.5
"""How often to check whether the first report has arrived, in seconds."""
SIGNS = {"to do": "[ ]", "checking": "[.]", "done": "[x]", "failed": "[!]"}
"""The sign before a step, by its state."""
VERDICTS = {"fine": "ok", "note": "note", "missing": "to do", "wrong": "FAILED"}
"""The text before a finding, by its verdict."""
BOM = "\ufeff"
"""The byte order mark. Windows PowerShell reads a script without it in the machine's local encoding."""


@click.command(cls=VaultCommand)
@click.argument("step", default="", metavar="[STEP]")
@click.option(
    "--set", "values", multiple=True, metavar="NAME=VALUE", help="Set a value; an empty VALUE removes it."
)
@click.option("--check", is_flag=True, help="Test STEP, or all steps, on the real systems.")
@click.option("--done/--not-done", default=None, help="Mark STEP as done, if Muniment can't check it itself.")
@click.option("--command", is_flag=True, help="Print only the command of STEP.")
@click.option("--to", type=click.Path(), metavar="FILE", help="Write the command of STEP to a new file.")
@click.option(
    "--wait", type=click.IntRange(0), metavar="S", help="Wait up to S seconds for the first journal report."
)
@pass_session
def setup(
    session: CommandSession,
    step: str,
    values: tuple[str, ...],
    check: bool,
    done: bool | None,
    command: bool,
    to: str | None,
    wait: int | None,
) -> int:
    """Set up journaling: from an empty vault to the first report.

    Lists the steps and their states. With STEP, says what to do, with the
    vault's own values filled in. The last step is done when the first journal
    report arrives. After that, the list also says what needs attention.

    \b
    Example:
      muniment setup --set platform=microsoft-365 --set domains=example.com
      muniment setup report-address --set address=journal@archive.example --check
      muniment setup journal-rule --to rule.ps1
      muniment setup journal-rule --done
      muniment setup --wait 3600
    """
    if (done is not None or command or to) and not step:
        raise UsageError("Name the step as well, such as `muniment setup journal-rule`.")
    answer = _changed(session, step, values, done)
    if check:
        answer = _checked(session, step)
    if wait is not None:
        answer = _awaited(session, wait)
    chosen = _steps(answer, step)
    if command or to:
        return _command(session, chosen[0], to)
    _show(session, answer, step, chosen)
    failed = check and any(one.state == "failed" for one in chosen)
    missed = wait is not None and _steps(answer, EVIDENCE)[0].state != "done"
    return 1 if failed or missed else 0


def _changed(session: CommandSession, step: str, values: tuple[str, ...], done: bool | None) -> Setup:
    answer = session.ask(GetSetup(), Setup)
    _steps(answer, step)
    if values:
        pairs = dict(_pair(value) for value in values)
        answer = session.ask(PutSetup(values=pairs), Setup)
    if done is not None:
        answer = session.ask(AffirmSetup(step=step, done=done), Setup)
    return answer


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not NAME=VALUE: write, for example, --set domains=example.com")
    return name.strip(), value


def _steps(answer: Setup, step: str) -> list[SetupStep]:
    """The step with this key, or all steps if it is ""."""
    chosen = [one for one in answer.steps if step in ("", one.key)]
    if not chosen:
        raise NotFound(
            f"There is no step {step!r}: the steps are {', '.join(one.key for one in answer.steps)}."
        )
    return chosen


def _checked(session: CommandSession, step: str) -> Setup:
    """Check one step or all, and print each finding as it comes."""
    answer: Setup | None = None
    with streaming(session, CheckSetup(step=step)) as words:
        for word in words:
            if isinstance(word, Setup):
                answer = word
            elif session.json:
                continue
            elif isinstance(word, SetupFinding):
                text = localised(word.text, zone=True)
                session.out.prose(f"  {VERDICTS.get(word.verdict, ''):<6}  {text}", 10)
            elif isinstance(word, SetupStep) and word.state == "checking":
                session.out.line(word.title)
    if answer is None:
        raise TypeError("the stream did not end with Setup")
    if not session.json:
        session.out.line()
    return answer


def _awaited(session: CommandSession, seconds: int, poll: float = POLL) -> Setup:
    """Wait until the first report has arrived or the time is up; returns the list as it is then.

    It looks every `poll` seconds.
    """
    end = time.monotonic() + seconds
    shown = ""
    while True:
        answer = session.ask(GetSetup(), Setup)
        evidence = _steps(answer, EVIDENCE)[0]
        left = end - time.monotonic()
        if evidence.state == "done" or left <= 0:
            return answer
        if evidence.detail != shown and not session.json:
            complain(localised(evidence.detail, zone=True))
            shown = evidence.detail
        time.sleep(min(poll, left))


# --- answers --------------------------------------------------------------------------------------


def _show(session: CommandSession, answer: Setup, step: str, chosen: list[SetupStep]) -> None:
    if session.json:
        session.out.json(_as_json(chosen[0]) if step else _all_as_json(answer))
    elif step:
        _show_step(session, chosen[0])
    else:
        _show_list(session, answer)


def _all_as_json(answer: Setup) -> dict[str, Any]:
    return {
        "platform": answer.platform,
        "done": all(one.state == "done" for one in answer.steps),
        "steps": [_as_json(one) for one in answer.steps],
        "health": list(answer.health),
    }


def _as_json(step: SetupStep) -> dict[str, Any]:
    fields: dict[str, Any] = plain(step)
    for name in ("proven", "affirmed"):
        fields[name] = iso(fields[name]) if fields[name] else None
    return fields


def _show_list(session: CommandSession, answer: Setup) -> None:
    columns = [
        TableColumn(""),
        TableColumn("Step"),
        TableColumn("State"),
        TableColumn("Proven"),
        TableColumn("", fill=True),
    ]
    session.out.table(columns, (_row(one) for one in answer.steps))
    left = [one for one in answer.steps if one.state != "done"]
    session.out.line()
    if left:
        session.out.line(f"Next: muniment setup {left[0].key}")
    else:
        session.out.line("Set-up is complete: the first report has arrived.")
    for sentence in answer.health:
        complain(f"Note: {localised(sentence, zone=True)}")


def _row(step: SetupStep) -> list[str]:
    return [
        SIGNS.get(step.state, "[ ]"),
        step.key,
        step.state,
        local(step.proven) if step.proven else "-",
        step.title if step.state == "done" else localised(step.detail, zone=True),
    ]


def _show_step(session: CommandSession, step: SetupStep) -> None:
    out = session.out
    out.line(f"{SIGNS.get(step.state, '[ ]')} {step.title}: {step.state}")
    paragraphs = [
        localised(step.detail, zone=True),
        *([f"Last proven: {local(step.proven)}"] if step.proven else []),
    ]
    for paragraph in (*paragraphs, "", *step.guide.splitlines()):
        out.block(_wrapped(paragraph, out.width))
    if step.fields:
        out.line()
        for field in step.fields:
            hint = " | ".join(field.choices) or field.hint
            out.prose(f"  {field.name:<16}{field.value or '-'}{f'   ({hint})' if hint else ''}", 18)
    if step.command:
        out.line()
        out.block(step.command)
    if step.affirm and step.state != "done":
        out.line()
        out.line(f"Once {step.affirm}: muniment setup {step.key} --done")


def _wrapped(paragraph: str, width: int) -> str:
    indent = "  " if paragraph.startswith("- ") else ""
    lines = textwrap.wrap(
        paragraph, min(width, 100), subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return "\n".join(lines) + "\n"


def _command(session: CommandSession, step: SetupStep, to: str | None) -> int:
    if not step.command:
        raise NotFound(f"The step {step.key} has no command yet: set its values first.")
    if to is None:
        if session.json:
            session.out.json({"step": step.key, "language": step.language, "command": step.command})
        else:
            session.out.block(step.command)
        return 0
    path = write_command(step, absolute(to))
    if session.json:
        session.out.json({"step": step.key, "file": str(path)})
    else:
        session.out.line(f"Written to {path}.")
    return 0


def write_command(step: SetupStep, path: Path) -> Path:
    """Write a step's command to a new file, in the encoding that its shell expects.

    Returns:
        `path`.

    Raises:
        UsageError: The file exists already, or it can't be written.
    """
    if step.language == "powershell":
        text = (BOM + step.command).replace("\n", "\r\n")
    else:
        text = f"#!/bin/sh\n{step.command}\n"
    try:
        create_file(path, text.encode(), durable=False)
    except FileExistsError:
        raise UsageError(f"{path} exists already: name a new file.") from None
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another file.") from error
    return path


COMMANDS = (setup,)

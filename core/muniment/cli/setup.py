"""`muniment setup`: the checklist that leads from an empty vault to the first journal report."""

from __future__ import annotations

import os
import textwrap
import time
from pathlib import Path
from typing import Any

import click

from muniment.api import AffirmSetup, CheckSetup, GetSetup, PutSetup, Setup, SetupFinding, SetupStep
from muniment.cli.answers import streaming
from muniment.cli.command import Command, Session, pass_session
from muniment.cli.output import Column, complain, plain
from muniment.errors import NotFound, UsageError
from muniment.system.environment import absolute
from muniment.system.formatting import iso, local

EVIDENCE = "first-report"
POLL = 1.5
"""Seconds between two looks at whether the first report has come."""
SIGNS = {"to do": "[ ]", "checking": "[.]", "done": "[x]", "failed": "[!]"}
VERDICTS = {"fine": "ok", "note": "note", "missing": "to do", "wrong": "FAILED"}
BOM = "\ufeff"
"""Without it, Windows PowerShell reads a script in the machine's own encoding."""


@click.command(cls=Command)
@click.argument("step", default="", metavar="[STEP]")
@click.option(
    "--set", "values", multiple=True, metavar="NAME=VALUE", help="Set a value; no VALUE takes it out."
)
@click.option("--check", is_flag=True, help="Test STEP, or all steps, against the real thing.")
@click.option(
    "--done/--not-done", default=None, help="Say that STEP is done, where that can't be seen from here."
)
@click.option("--command", is_flag=True, help="Print the command of STEP alone.")
@click.option("--to", type=click.Path(), metavar="FILE", help="Write the command of STEP to a new file.")
@click.option(
    "--wait", type=click.IntRange(0), metavar="S", help="Wait so many seconds for the first journal report."
)
@pass_session
def setup(
    session: Session,
    step: str,
    values: tuple[str, ...],
    check: bool,
    done: bool | None,
    command: bool,
    to: str | None,
    wait: int | None,
) -> int:
    """Set up journaling: from an empty vault to the first report.

    Lists the steps and how they stand; with STEP, says what to do, with the
    vault's own values filled in. The last step is proven by the first journal
    report itself. Later on, the list says what needs care.

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


def _changed(session: Session, step: str, values: tuple[str, ...], done: bool | None) -> Setup:
    answer = session.ask(GetSetup(), Setup)
    _steps(answer, step)
    if values:
        told = dict(_pair(value) for value in values)
        answer = session.ask(PutSetup(values=told), Setup)
    if done is not None:
        answer = session.ask(AffirmSetup(step=step, done=done), Setup)
    return answer


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is no NAME=VALUE; such as --set domains=example.com")
    return name.strip(), value


def _steps(answer: Setup, step: str) -> list[SetupStep]:
    """The step that is named, or all."""
    chosen = [one for one in answer.steps if step in ("", one.key)]
    if not chosen:
        raise NotFound(f"There is no step {step!r}: there are {', '.join(one.key for one in answer.steps)}.")
    return chosen


def _checked(session: Session, step: str) -> Setup:
    """Check, and say each finding as it comes."""
    answer: Setup | None = None
    with streaming(session, CheckSetup(step=step)) as words:
        for word in words:
            if isinstance(word, Setup):
                answer = word
            elif session.json:
                continue
            elif isinstance(word, SetupFinding):
                session.out.line(f"  {VERDICTS.get(word.verdict, ''):<6}  {word.text}")
            elif isinstance(word, SetupStep) and word.state == "checking":
                session.out.line(word.title)
    if answer is None:
        raise TypeError("the stream did not end with Setup")
    if not session.json:
        session.out.line()
    return answer


def _awaited(session: Session, seconds: int) -> Setup:
    """The list when the first report has come, or time is up."""
    end = time.monotonic() + seconds
    said = ""
    while True:
        answer = session.ask(GetSetup(), Setup)
        evidence = _steps(answer, EVIDENCE)[0]
        left = end - time.monotonic()
        if evidence.state == "done" or left <= 0:
            return answer
        if evidence.detail != said and not session.json:
            complain(evidence.detail)
            said = evidence.detail
        time.sleep(min(POLL, left))


# --- answers --------------------------------------------------------------------------------------


def _show(session: Session, answer: Setup, step: str, chosen: list[SetupStep]) -> None:
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
    told: dict[str, Any] = plain(step)
    for name in ("proven", "affirmed"):
        told[name] = iso(told[name]) if told[name] else None
    return told


def _show_list(session: Session, answer: Setup) -> None:
    columns = [Column(""), Column("Step"), Column("State"), Column("Proven"), Column("", fill=True)]
    session.out.table(columns, (_row(one) for one in answer.steps))
    left = [one for one in answer.steps if one.state != "done"]
    session.out.line()
    if left:
        session.out.line(f"Next: muniment setup {left[0].key}")
    else:
        session.out.line("All is set up, and the first report has arrived.")
    for sentence in answer.health:
        complain(f"Note: {sentence}")


def _row(step: SetupStep) -> list[str]:
    return [
        SIGNS.get(step.state, "[ ]"),
        step.key,
        step.state,
        local(step.proven) if step.proven else "-",
        step.title if step.state == "done" else step.detail,
    ]


def _show_step(session: Session, step: SetupStep) -> None:
    out = session.out
    out.line(f"{SIGNS.get(step.state, '[ ]')} {step.title}: {step.state}")
    paragraphs = [step.detail, *([f"Last proven: {local(step.proven)}"] if step.proven else [])]
    for paragraph in (*paragraphs, "", *step.guide.splitlines()):
        out.block(_wrapped(paragraph, out.width))
    if step.fields:
        out.line()
        for field in step.fields:
            hint = " | ".join(field.choices) or field.hint
            out.line(f"  {field.name:<16}{field.value or '-'}{f'   ({hint})' if hint else ''}")
    if step.command:
        out.line()
        out.block(step.command)
    if step.affirm and step.state != "done":
        out.line()
        out.line(f"Where {step.affirm}: muniment setup {step.key} --done")


def _wrapped(paragraph: str, width: int) -> str:
    indent = "  " if paragraph.startswith("- ") else ""
    lines = textwrap.wrap(paragraph, min(width, 100), subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def _command(session: Session, step: SetupStep, to: str | None) -> int:
    if not step.command:
        raise NotFound(f"The step {step.key} has no command yet: enter its values first.")
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
    """Write a step's command to a new file, in the encoding that its shell reads; returns where.

    Raises:
        UsageError: it can't be written, or is there already.
    """
    text = BOM + step.command if step.language == "powershell" else f"#!/bin/sh\n{step.command}\n"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        newline = "\r\n" if step.language == "powershell" else "\n"
        with os.fdopen(handle, "w", encoding="utf-8", newline=newline) as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already: name a new file.") from None
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another file.") from error
    return path


COMMANDS = (setup,)

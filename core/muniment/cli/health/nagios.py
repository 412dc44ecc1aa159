"""`status --check`: the answer of a plugin for Nagios and its kin.

One line, `STATE - text | figures`, and an exit code, as the guidelines for plugins say
(https://nagios-plugins.org/doc/guidelines.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from muniment.api import GetHealth, Health
from muniment.cli.command import CommandSession
from muniment.cli.health.figures import health_as_json, judged
from muniment.errors import MunimentError
from muniment.system.formatting import count
from muniment.system.sanitise import clean

CODES = {"ok": 0, "warning": 1, "critical": 2}
UNKNOWN = 3
NOT_ALLOWED = "only administrators and auditors may know how the archive is: add this login to [access]"


@dataclass(frozen=True, slots=True)
class PluginAnswer:
    """The answer of a check."""

    code: int
    """0 to 3: OK, WARNING, CRITICAL, UNKNOWN."""
    text: str
    figures: tuple[str, ...] = ()
    """As in the guidelines: `label=value[unit];warning;critical;least;most`."""

    @property
    def line(self) -> str:
        """The line that the plugin prints."""
        state = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[self.code]
        text = clean(self.text).replace("|", "/")
        return f"{state} - {text}" + (f" | {' '.join(self.figures)}" if self.figures else "")


def check(session: CommandSession) -> int:
    """Ask for the health of the vault, print the answer, and return the exit code.

    Whatever keeps the question from being answered is UNKNOWN: no vault, no service, no permission.
    """
    health: Health | None = None
    try:
        health = session.ask(GetHealth(), Health)
        answer = plugin_answer(health)
    except MunimentError as error:
        answer = PluginAnswer(UNKNOWN, str(error))
    return _print(session, answer, health)


def meant(argv: Sequence[str]) -> bool:
    """Whether a command line, also one that can't be read, is that of a plugin."""
    words = list(argv)
    while words and words[0].startswith("-"):
        if words.pop(0) == "--vault" and words:
            words.pop(0)
    return words[:1] == ["status"] and "--check" in words


def unknown(session: CommandSession, why: str) -> int:
    """Print the answer to a question that could not even be asked, and return its exit code."""
    return _print(session, PluginAnswer(UNKNOWN, " ".join(why.split())), None)


def _print(session: CommandSession, answer: PluginAnswer, health: Health | None) -> int:
    if session.json:
        session.out.json(_as_json(answer, health))
    else:
        session.out.line(answer.line)
    return answer.code


def plugin_answer(health: Health) -> PluginAnswer:
    """The answer for a state of health."""
    code = CODES.get(health.verdict, UNKNOWN)
    if not judged(health):
        return PluginAnswer(UNKNOWN, NOT_ALLOWED)
    text = health.summary
    if not health.problems:
        text += f" {count(health.messages)} messages."
    return PluginAnswer(code, text, tuple(_figures(health)))


def _figures(health: Health) -> Iterator[str]:
    yield f"problems={len(health.problems)};;;0"
    yield f"messages={health.messages};;;0"
    yield f"unindexed={health.behind};;;0"
    yield f"quarantined={health.quarantined};;;0"
    yield f"silent_users={health.silent_total};;;0;{health.users}"
    waiting = [profile.waiting for profile in health.profiles if profile.waiting is not None]
    if waiting:
        yield f"waiting={sum(waiting)};;;0"
    if health.last_report:
        yield f"report_age={max(health.time - health.last_report, 0)}s;;;0"
    if health.disk is not None:
        yield f"disk_used={health.disk.total - health.disk.free}B;;;0;{health.disk.total}"


def _as_json(answer: PluginAnswer, health: Health | None) -> dict[str, Any]:
    known = health_as_json(health) if health is not None else {"verdict": "", "problems": []}
    return known | {"code": answer.code, "line": answer.line}

"""Asking the engine for mail: with the reason that a vault may demand, which is asked for once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from muniment.api import Request, Word
from muniment.errors import MunimentError, ReasonNeeded
from muniment_tui.engine.bridge import Line, Through
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import shown

W = TypeVar("W", bound=Word)
R = TypeVar("R", bound=Request)
Failed = Callable[[MunimentError], object]
WHY = "Reading others' mail needs a reason here; it is kept in the audit trail. Why do you read it?"


class AskingScreen(AreaScreen):
    """A screen that reads mail; what it demands besides is remembered as long as the app is open."""

    reason = ""

    def read(
        self,
        request: Request,
        reply: type[W],
        then: Callable[[W], object],
        *,
        failed: Failed | None = None,
        lane: str = "",
    ) -> None:
        """Say a word that has one reply; a reason that is missing is asked for, and the word said again."""

        def refused(error: MunimentError) -> None:
            if isinstance(error, ReasonNeeded):
                self.ask_why(lambda: self.read(request, reply, then, failed=failed, lane=lane))
            else:
                (failed or self.muniment.refuse)(error)

        self.muniment.engine.ask(self, self.reasoned(request), reply, then, failed=refused, lane=lane)

    def read_stream(
        self,
        request: Request,
        each: Callable[[Word], object],
        *,
        ended: Callable[[], object] | None = None,
        failed: Failed | None = None,
        through: Through = lambda words: words,
    ) -> Line:
        """Say a word that is answered by a stream."""

        def refused(error: MunimentError) -> None:
            if isinstance(error, ReasonNeeded):
                self.ask_why(
                    lambda: self.read_stream(request, each, ended=ended, failed=failed, through=through)
                )
            else:
                (failed or self.muniment.refuse)(error)

        return self.muniment.engine.stream(
            self, self.reasoned(request), each, ended=ended, failed=refused, through=through
        )

    def quieten(self) -> None:
        """Take a notice away that something newer is to be seen instead of; errors stay until Esc."""
        notice = self.muniment.notice
        if notice is not None and notice.severity != "error":
            self.muniment.notice = None

    def reasoned(self, request: R) -> R:
        """A request with the reason, if there is one and it takes one."""
        return replace(request, reason=self.reason) if "reason" in request.__struct_fields__ else request

    def ask_why(self, then: Callable[[], object]) -> None:
        """Ask for the reason, then go on."""

        def given(reason: str) -> None:
            self.reason = reason.strip()
            then()

        self.ask_for(shown(WHY), given, check=lambda typed: "" if typed.strip() else "Type a reason.")

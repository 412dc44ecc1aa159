"""Requests that read mail. If the vault requires a reason, the user is asked for it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from muniment.api import Request, WireWord
from muniment.errors import MunimentError, ReasonNeeded
from muniment_tui.engine.bridge import PendingRequest, Through
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import shown

W = TypeVar("W", bound=WireWord)
R = TypeVar("R", bound=Request)
Failed = Callable[[MunimentError], object]
REASON_QUESTION = (
    "Reading other people's mail requires a reason, which is kept in the audit trail. Your reason:"
)


class AskingScreen(AreaScreen):
    """A screen that reads mail. It remembers the reason until the app is closed."""

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
        """Send a request that has one reply. If a reason is required, ask for it and send the request
        again."""

        def refused(error: MunimentError) -> None:
            if isinstance(error, ReasonNeeded):
                self.ask_reason(lambda: self.read(request, reply, then, failed=failed, lane=lane))
            else:
                (failed or self.muniment.refuse)(error)

        self.muniment.engine.ask(self, self.with_reason(request), reply, then, failed=refused, lane=lane)

    def read_stream(
        self,
        request: Request,
        each: Callable[[WireWord], object],
        *,
        ended: Callable[[], object] | None = None,
        failed: Failed | None = None,
        through: Through = lambda words: words,
    ) -> PendingRequest:
        """Send a request that is answered by a stream, and ask for a reason like `read`."""

        def refused(error: MunimentError) -> None:
            if isinstance(error, ReasonNeeded):
                self.ask_reason(
                    lambda: self.read_stream(request, each, ended=ended, failed=failed, through=through)
                )
            else:
                (failed or self.muniment.refuse)(error)

        return self.muniment.engine.stream(
            self, self.with_reason(request), each, ended=ended, failed=refused, through=through
        )

    def clear_notice(self) -> None:
        """Remove a notice that covers newer content. An error stays until Esc."""
        notice = self.muniment.notice
        if notice is not None and notice.severity != "error":
            self.muniment.notice = None

    def with_reason(self, request: R) -> R:
        """The request with the reason, if one was given and the request has such a field."""
        return replace(request, reason=self.reason) if "reason" in request.__struct_fields__ else request

    def ask_reason(self, then: Callable[[], object]) -> None:
        """Ask for the reason, then call `then`."""

        def given(reason: str) -> None:
            self.reason = reason.strip()
            then()

        self.ask_for(
            shown(REASON_QUESTION), given, check=lambda typed: "" if typed.strip() else "Type a reason."
        )

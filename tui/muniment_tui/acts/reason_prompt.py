"""Requests that read mail. If the vault requires a reason, the user is asked for it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace
from textual.widgets import Input

from muniment.api import Request, WireWord
from muniment.errors import MunimentError, ReasonNeeded
from muniment_tui.engine.bridge import PendingRequest, Through
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import shown

W = TypeVar("W", bound=WireWord)
R = TypeVar("R", bound=Request)
Failed = Callable[[MunimentError], object]
REASON_QUESTION = (
    "Reading other people's mail requires a reason, which is kept in the audit trail. Your reason:"
)


class ReasonedRequest:
    """A request that is sent a second time if a reason is required. It goes on while the user types one."""

    def __init__(self) -> None:
        self._sent: PendingRequest | None = None
        self._asks = False
        """Whether the user is asked for the reason."""
        self.cancelled = False

    @property
    def over(self) -> bool:
        """Whether it has ended or was cancelled."""
        return self.cancelled or not (self._asks or self._sent is None or not self._sent.over)

    def cancel(self) -> None:
        """Ignore all further answers, and do not send it again. Safe to call twice."""
        self.cancelled = True
        if self._sent is not None:
            self._sent.cancel()

    def sent(self, pending: PendingRequest) -> None:
        """Take what was sent last."""
        self._sent, self._asks = pending, False

    def asks(self, on: bool) -> None:
        """Take whether the user is asked for the reason."""
        self._asks = on


class MailRequests:
    """The requests of a screen that reads mail.

    The app remembers the reason until it is closed or opens another vault.
    """

    def __init__(self, screen: FrameScreen) -> None:
        self.screen = screen
        self.muniment = screen.muniment

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
        sent = self.with_reason(request)

        def again() -> None:
            self.read(request, reply, then, failed=failed, lane=lane)

        def refused(error: MunimentError) -> None:
            self._lacks_reason(sent, error, again, failed or self.muniment.refuse)

        self.muniment.engine.ask(self.screen, sent, reply, then, failed=refused, lane=lane)

    def read_stream(
        self,
        request: Request,
        each: Callable[[WireWord], object],
        *,
        ended: Callable[[], object] | None = None,
        failed: Failed | None = None,
        through: Through = lambda words: words,
    ) -> ReasonedRequest:
        """Send a request that is answered by a stream, and ask for a reason like `read`."""
        line = ReasonedRequest()

        def send() -> None:
            if line.cancelled:
                return
            sent = self.with_reason(request)

            def refused(error: MunimentError) -> None:
                line.asks(True)
                self._lacks_reason(sent, error, send, give_up)

            line.sent(
                self.muniment.engine.stream(
                    self.screen, sent, each, ended=ended, failed=refused, through=through
                )
            )

        def give_up(error: MunimentError) -> None:
            line.asks(False)
            if not line.cancelled:
                (failed or self.muniment.refuse)(error)

        send()
        return line

    def _lacks_reason(
        self, sent: Request, error: MunimentError, again: Callable[[], object], give_up: Failed
    ) -> None:
        """Send a request again that lacks a reason, else give it up. Nobody is asked while a text line has
        the focus."""
        if not isinstance(error, ReasonNeeded):
            give_up(error)
        elif self.with_reason(sent) != sent:  # the reason was typed while this request was under way
            again()
        elif isinstance(self.screen.focused, Input):  # a question would take the rest of what is typed there
            give_up(error)
        else:
            self._ask_reason(again, lambda: give_up(error))

    def clear_notice(self) -> None:
        """Remove a notice that covers newer content. An error stays until Esc."""
        notice = self.muniment.notice
        if notice is not None and notice.severity != "error":
            self.muniment.notice = None

    def with_reason(self, request: R) -> R:
        """The request with the reason that was given, if the request can have one and has none of its own."""
        lacks = "reason" in request.__struct_fields__ and not getattr(request, "reason", "")
        return replace(request, reason=self.muniment.reason) if lacks else request

    def _ask_reason(self, then: Callable[[], object], otherwise: Callable[[], object]) -> None:
        def given(reason: str) -> None:
            self.muniment.reason = reason.strip()
            then()

        self.screen.ask_for(
            shown(REASON_QUESTION),
            given,
            check=lambda typed: "" if typed.strip() else "Type a reason.",
            otherwise=otherwise,
            unasked=True,
        )

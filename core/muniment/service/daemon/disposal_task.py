"""The daily disposal of a service: erases what is due by the rules, or asks a second person for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from muniment import api
from muniment.archive.retention.approvals import approvals_of
from muniment.archive.retention.disposal import DisposalOrder, list_due
from muniment.archive.retention.due import DueList, list_name
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import MunimentError
from muniment.runs.schedule import ScheduledTask
from muniment.service.access.second_person import needed_acts
from muniment.service.host.proof_turn import ProofTurn, present
from muniment.service.host.session import ClientSession
from muniment.service.operations.retention.approving import actor
from muniment.service.operations.retention.daily_state import DAY, note_problem
from muniment.service.operations.retention.disposing import DISPOSE, ask_to_dispose, disposal_words

log = logging.getLogger("muniment.service")

EVERY = 60.0
"""Seconds between two looks whether it is time."""
REASON = "daily disposal by the service"


class DailyDisposal:
    """Disposes of mail once a day, at the time of `[retention] dispose`."""

    def __init__(
        self,
        session: ClientSession,
        settings: Callable[[], Settings],
        announce: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make it.

        Args:
            session: has the service's vault and host.
            settings: gives the current settings.
            announce: is called with lines for the log.
            clock: gives the time, in seconds since 1970 UTC.
        """
        self._session = session
        self._settings = settings
        self._announce = announce
        self._clock = clock

    def tasks(self) -> list[ScheduledTask]:
        """The task for the schedule; none if no time is set."""
        if not self._settings().retention.dispose:
            return []
        return [ScheduledTask(name="retention", every=EVERY, run=self.look)]

    def look(self) -> bool:
        """Dispose of mail if it is time, and no verification, backup or other disposal is under way.

        One that was missed is made up for on the same day. There is none on the first day of the setting.
        Why one failed is noted for health until the next one.

        Returns:
            Whether nothing failed.
        """
        local = time.localtime(self._clock())
        today = time.strftime("%Y-%m-%d", local)
        with self._session.reading() as vault:
            before = vault.catalog.meta_get(DAY)
            if before is None:
                vault.catalog.meta_set(DAY, today)
            late = time.strftime("%H:%M", local) >= self._settings().retention.dispose
            if before in (None, today) or not late or present(self._session.folder):
                return True
            vault.catalog.meta_set(DAY, today)
            try:
                self._dispose(vault)
            except Exception as error:
                if not self._session.stopping():  # else the next day goes on where the service was stopped
                    note_problem(vault, _why(error))
                raise
            note_problem(vault, "")
        return True

    def _dispose(self, vault: Vault) -> None:
        at, due = int(self._clock()), DueList(vault)
        for _ in list_due(vault, due, at):
            if self._session.stopping():
                return
        if not due.messages:
            return
        book = approvals_of(vault)
        if DISPOSE.name not in needed_acts(book, self._settings()):
            self._erase(DisposalOrder(at, list_name(due.hashes), actor(self._session)))
        elif not any(one.act == DISPOSE.name for one in book.waiting(at)):
            request = api.DisposeMail(at=at, list=list_name(due.hashes), reason=REASON)
            asked = ask_to_dispose(self._session, vault, request, due)
            if asked is not None:
                self._announce(asked.message)

    def _erase(self, order: DisposalOrder) -> None:
        with ProofTurn(self._session.folder, "the daily disposal") as turn:
            for _ in turn.wait():
                continue
            *_, answer = disposal_words(self._session, order)
        if isinstance(answer, api.Disposed):
            self._announce(f"daily disposal: {answer.message}")


def _why(error: Exception) -> str:
    """The reason of a failure. The text of an unforeseen error can quote mail, so it is left to the log."""
    if isinstance(error, MunimentError):
        return str(error)
    return f"an unexpected error ({type(error).__name__}); the service's log has the details"

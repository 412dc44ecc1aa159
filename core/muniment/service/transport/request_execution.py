"""A request that is being answered: its handler runs in threads, no faster than it is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import msgspec

from muniment.api import Request, Word
from muniment.api.base import StateWord
from muniment.client import protocol
from muniment.client.client import Transport
from muniment.client.protocol import End, Failure
from muniment.client.socket_path import Peer
from muniment.errors import ConfigError, MunimentError, SourceError, VaultError
from muniment.service.access.roles import Caller
from muniment.service.transport.log_quota import Quota

log = logging.getLogger("muniment.service")

TOLD = (VaultError, ConfigError, SourceError)
"""Errors whose sentence may stand in the log: it is of the vault and its settings, not of mail or a query."""


OpenEngine = Callable[[Caller], Transport]
"""Opens the engine for whoever calls."""


MOST = 10_000
"""Entries of a page, whatever is asked for: more is had by turning it."""


def bounded(request: Request) -> Request:
    """A request that asks for no larger page than MOST."""
    limit = getattr(request, "limit", 0)
    return msgspec.structs.replace(request, limit=MOST) if limit > MOST else request


class Work:
    """The words that answer a request. Used by one thread at a time, not always the same."""

    def __init__(
        self, open_engine: OpenEngine, peer: Peer, request: Request, path: str, quota: Quota
    ) -> None:
        """`quota` says how much of the log they may fill."""
        self._caller = Caller.of(peer.uid, peer.gid, peer.pid)
        self._quota = quota
        self._name = type(request).__name__
        engine, request = open_engine(self._caller), bounded(request)
        self._words = _called(engine, request) if path == protocol.CALL else engine.stream(request)
        self.said_state = False
        """Whether the last word is a state: the next one is made once the reader asks for it."""

    def next(self) -> tuple[bytes, bool]:
        """The frame of the next word, and whether it is the last."""
        self.said_state = False
        try:
            word = next(self._words, None)
        except MunimentError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 - a bug becomes a sentence, and the service goes on
            self._bug(error)
            message = (
                f"This should not have happened in the service ({type(error).__name__}); nothing that was "
                "kept is lost. Its log has the details."
            )
            return protocol.encoded(Failure(kind="", code=protocol.BUG, message=message)), True
        self.said_state = isinstance(word, StateWord)
        return (protocol.encoded(End()), True) if word is None else (protocol.encoded(word), False)

    def _failed(self, error: MunimentError) -> tuple[bytes, bool]:
        said = protocol.failure(error)
        why = {"why": said.message} if isinstance(error, TOLD) else {}
        fields = {**self._fields, "kind": said.kind, "code": said.code, **why}
        if self._quota.allows(self._caller.uid):
            log.warning("%s failed", self._name, extra={"fields": fields})
        return protocol.encoded(said), True

    def close(self) -> None:
        """End the work, if it goes on; waits until it has ended."""
        close = getattr(self._words, "close", None)
        if close is not None:
            try:
                close()
            except Exception as error:  # noqa: BLE001 - nobody is left to be told
                self._bug(error)

    def _bug(self, error: Exception) -> None:
        """Log what should not have happened; the format leaves out what an error says, which may be mail."""
        if self._quota.allows(self._caller.uid):
            log.error("%s met a bug", self._name, exc_info=error, extra={"fields": self._fields})

    @property
    def _fields(self) -> dict[str, object]:
        return {"word": self._name, "uid": self._caller.uid, "pid": self._caller.pid}


def _called(engine: Transport, request: Request) -> Iterator[Word]:
    yield engine.call(request)

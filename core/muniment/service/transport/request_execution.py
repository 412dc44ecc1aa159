"""Answers one request: runs its handler in threads, one reply at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import msgspec

from muniment.api import Request, WireWord
from muniment.api.base import StateWord
from muniment.client import protocol
from muniment.client.client import Transport
from muniment.client.protocol import End, Failure
from muniment.client.socket_path import SocketPeer
from muniment.errors import ConfigError, MunimentError, SourceError, VaultError
from muniment.service.access.roles import Caller
from muniment.service.transport.log_quota import LogQuota

log = logging.getLogger("muniment.service")

LOGGED = (VaultError, ConfigError, SourceError)
"""Errors whose sentence is logged: it is about the vault and its settings, and not about mail or a query."""


OpenEngine = Callable[[Caller], Transport]
"""Makes an engine for a caller."""


MOST = 10_000
"""Largest number of entries on a page. A request for more gets this many."""


def bounded(request: Request) -> Request:
    """The request, with `limit` reduced to MOST."""
    limit = getattr(request, "limit", 0)
    return msgspec.structs.replace(request, limit=MOST) if limit > MOST else request


class RequestExecution:
    """The replies to one request. Used by one thread at a time, which may change."""

    def __init__(
        self, open_engine: OpenEngine, peer: SocketPeer, request: Request, path: str, quota: LogQuota
    ) -> None:
        """Begin to answer a request.

        Args:
            open_engine: makes the engine.
            peer: the caller, from the kernel.
            request: the request.
            path: client.protocol.CALL or STREAM.
            quota: limits the log lines of the caller.
        """
        self._caller = Caller.of(peer.uid, peer.gid, peer.pid)
        self._quota = quota
        self._name = type(request).__name__
        engine, request = open_engine(self._caller), bounded(request)
        self._replies = _called(engine, request) if path == protocol.CALL else engine.stream(request)
        self.sent_state = False
        """Whether the last reply is a StateWord: the next one is made only when the client asks for it."""

    def next(self) -> tuple[bytes, bool]:
        """The frame of the next reply, and whether it is the last."""
        self.sent_state = False
        try:
            reply = next(self._replies, None)
        except MunimentError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 - a bug becomes a sentence, and the service goes on
            self._bug(error)
            message = (
                f"This should not have happened in the service ({type(error).__name__}). No archived mail is "
                "lost. The log of the service has the details."
            )
            return protocol.encoded(Failure(kind="", code=protocol.BUG, message=message)), True
        self.sent_state = isinstance(reply, StateWord)
        return (protocol.encoded(End()), True) if reply is None else (protocol.encoded(reply), False)

    def _failed(self, error: MunimentError) -> tuple[bytes, bool]:
        failure = protocol.failure(error)
        why = {"why": failure.message} if isinstance(error, LOGGED) else {}
        fields = {**self._fields, "kind": failure.kind, "code": failure.code, **why}
        if self._quota.allows(self._caller.uid):
            log.warning("%s failed", self._name, extra={"fields": fields})
        return protocol.encoded(failure), True

    def close(self) -> None:
        """End the handler if it is still at work, and wait for its end."""
        close = getattr(self._replies, "close", None)
        if close is not None:
            try:
                close()
            except Exception as error:  # noqa: BLE001 - there is no client left to report to
                self._bug(error)

    def _bug(self, error: Exception) -> None:
        """Log an unexpected error. The log format leaves out its text, which may be mail."""
        if self._quota.allows(self._caller.uid):
            log.error("%s met a bug", self._name, exc_info=error, extra={"fields": self._fields})

    @property
    def _fields(self) -> dict[str, object]:
        return {"word": self._name, "uid": self._caller.uid, "pid": self._caller.pid}


def _called(engine: Transport, request: Request) -> Iterator[WireWord]:
    yield engine.call(request)

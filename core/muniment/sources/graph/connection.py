"""Microsoft Graph over HTTPS: tokens, pages, batches and messages, with attempts after errors and waits.

It uses urllib3, which MSAL loads anyway (through requests). urllib3 pools connections, streams, works with
several threads, and accepts our SSL context.
"""

from __future__ import annotations

import json
import ssl
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import urllib3
from urllib3.exceptions import HTTPError, SSLError
from urllib3.exceptions import TimeoutError as TimedOut

from muniment.errors import LoginRefused, SourceError
from muniment.net import tls
from muniment.net.dial import lost
from muniment.net.events import ServerPause
from muniment.net.http_answers import PIECE, bound_heads, bounded
from muniment.net.limits import SHORT_ANSWER, WHOLE_ANSWER
from muniment.net.oauth import TokenSource
from muniment.net.retry import ATTEMPTS, RetryPolicy, TransientError
from muniment.profiles.fields import is_loopback
from muniment.sources.base import SPOOL_ABOVE
from muniment.sources.endpoint import ExchangeEndpoint
from muniment.sources.graph.answers import (
    BAD_REQUEST,
    NO_CODE,
    NO_CONTENT,
    GraphCall,
    GraphPage,
    GraphRefused,
    RetryLater,
    TokenExpired,
    check,
    understood,
)
from muniment.sources.graph.lanes import MailboxDelayed, MailboxLanes
from muniment.sources.spool_files import spool_file

T = TypeVar("T")
Part = dict[str, Any] | GraphRefused | TransientError
"""The answer to one request of a batch: its JSON, or the error in place of it."""

ROOT = "/v1.0"
BATCH = 20
"""Most requests in one $batch."""
PAGE = 500
"""Number of entries to ask for in each page of a list."""
RENEWALS = 2
"""How often the token is renewed for one request."""
BUSY = "Microsoft Graph is busy and asks to wait"
HTTPS_PORT = 443
_LENGTHS = {"content-length", "transfer-encoding"}
"""Header fields that show where an answer ends. Without them, an empty answer can be a broken connection."""


class ConnectionCut(TransientError):
    """The connection broke or brought nothing: the cause is the network or the service, not a mailbox."""


class GraphTokenRefused(LoginRefused):
    """The service refuses even a new token for a request."""


class _Bearer:
    """Supplies one token to all threads."""

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens
        self._lock = threading.Lock()

    def token(self) -> str:
        with self._lock:
            return self._tokens.token()

    def renew(self, old: str) -> None:
        """Get a new token in place of `old`, unless another thread has already done it."""
        with self._lock:
            if self._tokens.token() == old:
                self._tokens.token(renew=True)


class GraphWire:
    """Sends requests to Graph; several threads can use it. `lane` is the mailbox that a request concerns."""

    def __init__(
        self, endpoint: ExchangeEndpoint, tokens: TokenSource, sleep: Callable[[float], None], threads: int
    ) -> None:
        """Set up the connections, without connecting.

        Args:
            endpoint: The service.
            tokens: Supplies access tokens.
            sleep: Waits for a number of seconds.
            threads: Number of connections to keep open.

        Raises:
            SourceError: The file of authorities can't be used.
        """
        self._endpoint = endpoint
        self._sleep = sleep
        self._bearer = _Bearer(tokens)
        self.lanes = MailboxLanes(self._wait_as_asked)
        self.proved = False
        """Whether the service has accepted a token."""
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        self._base = f"https://{host}:{endpoint.port_number}"
        options: dict[str, Any] = {
            "maxsize": threads,
            "ssl_context": tls.make_context(endpoint),
            "timeout": urllib3.Timeout(connect=endpoint.timeout, read=endpoint.timeout),
        }
        proxy = proxy_for(endpoint.host)
        self._pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
        bound_heads(self._pool)

    def _wait_as_asked(self, seconds: float) -> None:
        """Wait as the service asks, and report it."""
        self._endpoint.on_event(ServerPause(seconds, BUSY))
        self._sleep(seconds)

    def close(self) -> None:
        """Close all idle connections."""
        self._pool.clear()

    def page(self, lane: str, path: str, *, wait: bool = True) -> GraphPage:
        """Read a page of a list.

        Args:
            lane: The mailbox that the request concerns.
            path: A path of our own, or one from an earlier GraphPage.
            wait: Wait if the service asks for it; otherwise MailboxDelayed is raised.

        Raises:
            GraphRefused: Another attempt would not change the answer.
            MailboxDelayed: The service asks to wait, and `wait` is False.
            TransientError: The service failed at every attempt.
            GraphTokenRefused: The service accepts no token.
        """
        return self._persist(
            lane, lambda token: self.as_page(self._json(GraphCall("GET", path), token)), wait
        )

    def as_page(self, value: dict[str, Any]) -> GraphPage:
        """The page in a JSON answer; a single object is an empty page. Raises SourceError."""
        values = value.get("value", [])
        if not isinstance(values, list):
            raise self._no_graph()
        links = [self._relative(str(value.get(f"@odata.{name}", ""))) for name in ("nextLink", "deltaLink")]
        return GraphPage([one for one in values if isinstance(one, dict)], *links)

    def mime(self, lane: str, path: str, *, wait: bool = True, attempts: int = ATTEMPTS) -> bytes | Path:
        """A message's MIME, above SPOOL_ABOVE in a file of the work folder. It raises like `page`."""
        return self._persist(lane, lambda token: self._mime(path, token), wait, attempts)

    def batch(
        self, lane: str, calls: Sequence[GraphCall], *, wait: bool = True
    ) -> list[dict[str, Any] | GraphRefused]:
        """Send at most BATCH requests together; returns their answers in order. It raises like `page`."""
        answers: dict[int, dict[str, Any] | GraphRefused] = {}
        self._persist(lane, lambda token: self._batch(calls, answers, token), wait)
        return [answers[n] for n in range(len(calls))]

    def some(self, lane: str, calls: Sequence[GraphCall], *, wait: bool = True) -> list[Part]:
        """Like `batch`, but with the error in place of each answer that could not be had."""
        answers: dict[int, dict[str, Any] | GraphRefused] = {}
        trouble: Part = {}
        try:
            self._persist(lane, lambda token: self._batch(calls, answers, token), wait)
        except MailboxDelayed:
            raise
        except (TransientError, GraphRefused) as error:
            trouble = error
        return [answers.get(n, trouble) for n in range(len(calls))]

    # --- one attempt, and the next ----------------------------------------------------------------

    def _persist(self, lane: str, ask: Callable[[str], T], wait: bool, attempts: int = ATTEMPTS) -> T:
        patience = RetryPolicy(self._sleep, attempts)
        renewed = 0
        while True:
            self.lanes.enter(lane, wait=wait)
            try:
                token = self._bearer.token()
                answer = ask(token)
            except RetryLater as error:
                self.lanes.put_off(lane, error)
            except TokenExpired as error:
                renewed += 1
                if renewed > RENEWALS:
                    raise self._untaken(error.code) from None
                self._bearer.renew(token)
            except TransientError as error:
                patience.again(error)
            else:
                self.proved = True
                self.lanes.progress(lane)
                return answer

    def _untaken(self, code: str) -> GraphTokenRefused:
        return GraphTokenRefused(
            f"{self._endpoint.host} does not accept the tokens that were issued for it (401 {code}): check "
            "that `host` and `authority` belong to the same cloud."
        )

    def _json(self, call: GraphCall, token: str, body: bytes | None = None) -> dict[str, Any]:
        with self._response(call, token, body) as response, self._translated():
            return self._decoded(self._whole(response, WHOLE_ANSWER))

    def _whole(self, response: urllib3.BaseHTTPResponse, most: int) -> bytes:
        return b"".join(self._pieces(response, most))

    def _pieces(self, response: urllib3.BaseHTTPResponse, most: int) -> Iterator[bytes]:
        endpoint = self._endpoint
        pieces = response.stream(PIECE)
        return bounded(response, pieces, endpoint.address, endpoint.timeout, most, endpoint.limits)

    def _decoded(self, data: bytes) -> dict[str, Any]:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self._no_graph()
        return value

    def _no_graph(self) -> TransientError:
        return TransientError(f"{self._endpoint.host} does not answer like Microsoft Graph: check `host`.")

    def _mime(self, path: str, token: str) -> bytes | Path:
        with self._response(GraphCall("GET", path), token, None, "identity") as response, self._translated():
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise TransientError(
                    f"{self._endpoint.host} compresses a message although it was asked not to."
                )
            pieces = self._pieces(response, self._endpoint.limits.most_bytes(None))
            head = bytearray()
            for piece in pieces:
                head += piece
                if len(head) > SPOOL_ABOVE:
                    break
            else:
                stated = _LENGTHS.intersection(name.lower() for name in response.headers)
                if not head and not stated:  # the connection broke in the header
                    raise ConnectionCut(str(lost(self._endpoint)))
                return bytes(head)
            with spool_file(self._endpoint.work) as (file, name):
                file.write(head)
                file.writelines(pieces)
            return name

    def _batch(
        self, calls: Sequence[GraphCall], answers: dict[int, dict[str, Any] | GraphRefused], token: str
    ) -> None:
        """Send the requests without an answer, and add final answers. Raises the worst error of the rest."""
        open_calls = [_entry(n, call) for n, call in enumerate(calls) if n not in answers]
        body = json.dumps({"requests": open_calls}).encode()
        value = self._json(GraphCall("POST", "/$batch"), token, body)
        trouble: list[Exception] = []
        asked = {int(one["id"]) for one in open_calls}
        for number, status, stated, content in self._parts(value):
            if number not in asked:
                continue
            try:
                check(status, stated, content)
                done = calls[number].method == "GET" or status == NO_CONTENT  # anything else proves nothing
                answers[number] = content if done else GraphRefused(status, NO_CODE)
            except GraphRefused as refusal:
                answers[number] = refusal
            except (TokenExpired, TransientError) as error:
                trouble.append(error)
        if trouble:
            raise max(trouble, key=_weight)
        if len(answers) < len(calls):
            raise TransientError("Microsoft Graph left out answers of a batch: run again later.")

    def _parts(self, value: dict[str, Any]) -> list[tuple[int, int, dict[str, str], dict[str, Any]]]:
        """Answers of a batch: number, status, header fields, content."""
        with understood(self._endpoint):
            return [
                (int(one["id"]), int(one["status"]),
                 {str(name): str(text) for name, text in (one.get("headers") or {}).items()},
                 one["body"] if isinstance(one.get("body"), dict) else {})
                for one in value.get("responses", ())
            ]  # fmt: skip

    @contextmanager
    def _response(
        self, call: GraphCall, token: str, body: bytes | None = None, encoding: str = "gzip"
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """A successful answer. Its connection is closed if it is not read to its end. Raises like `check`."""
        headers = {**_PREFERENCES, "Authorization": f"Bearer {token}", "Accept-Encoding": encoding}
        if body is not None:
            headers["Content-Type"] = "application/json"
        with self._translated():
            response = self._pool.request(
                call.method, f"{self._base}{ROOT}{call.path}", headers=headers, body=body,
                retries=False, redirect=False, preload_content=False,
            )  # fmt: skip
        with closing(response):
            if response.status >= BAD_REQUEST:
                with self._translated():
                    content = self._whole(response, SHORT_ANSWER)
                    response.release_conn()
                check(response.status, response.headers, content)
            yield response
            response.release_conn()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the library's errors into ours."""
        try:
            yield
        except SSLError as error:
            cause = error.args[0] if error.args else None
            with tls.explained(self._endpoint):
                if isinstance(cause, ssl.SSLCertVerificationError):
                    raise cause from error
            raise ConnectionCut(str(lost(self._endpoint, error))) from error
        except TimedOut as error:
            raise ConnectionCut(str(lost(self._endpoint, TimeoutError()))) from error
        except HTTPError as error:
            raise ConnectionCut(str(lost(self._endpoint, error))) from error

    def _relative(self, link: str) -> str:
        """A link as a path below the API's root. One to another host is refused: it would get the token."""
        if not link:
            return ""
        parts = urllib.parse.urlsplit(link)
        ours = urllib.parse.urlsplit(self._base)
        same = (parts.scheme, parts.hostname, parts.port or HTTPS_PORT) == (
            ours.scheme,
            ours.hostname,
            ours.port,
        )
        if not same or not parts.path.startswith(f"{ROOT}/"):
            raise SourceError(
                f"{self._endpoint.host} redirected to another server, which Muniment refuses to follow: "
                "check `host`."
            )
        path = parts.path.removeprefix(ROOT)
        return f"{path}?{parts.query}" if parts.query else path


_PREFERENCES = {"Prefer": f'IdType="ImmutableId", odata.maxpagesize={PAGE}', "Accept": "application/json"}


def _entry(number: int, call: GraphCall) -> dict[str, Any]:
    """A request of a batch. A request that writes needs a body and a Content-Type, even an empty one.

    Without them the service refuses the whole batch ("Write request id : n does not contain Content-Type
    header or body").
    """
    entry = {"id": str(number), "method": call.method, "url": call.path, "headers": _PREFERENCES}
    if call.method == "GET":
        return entry
    return entry | {"headers": {**_PREFERENCES, "Content-Type": "application/json"}, "body": {}}


def proxy_for(host: str) -> str:
    """The URL of the proxy for a host according to the environment; "" if there is none."""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return ""
    return urllib.request.getproxies().get("https", "")


def _weight(error: Exception) -> tuple[bool, float]:
    """The order in which the errors of a batch are handled: an expired token, then the longest wait."""
    return isinstance(error, TokenExpired), (error.seconds or 0.0) if isinstance(error, RetryLater) else -1.0

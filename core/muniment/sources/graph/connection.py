"""Microsoft Graph over HTTPS: tokens, pages, batches and messages, in spite of throttles and broken lines.

urllib3 carries it: MSAL loads it anyway (by requests), it pools connections, streams, may be used by threads,
and takes an SSL context of ours.
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
from muniment.profiles.fields import is_loopback
from muniment.sources import tls
from muniment.sources.base import SPOOL_ABOVE
from muniment.sources.endpoint import Endpoint, Waiting
from muniment.sources.graph.answers import (
    BAD_REQUEST,
    NO_CODE,
    NO_CONTENT,
    Call,
    Expired,
    Page,
    PutOff,
    Refused,
    check,
    understood,
)
from muniment.sources.graph.lanes import Delayed, Lanes
from muniment.sources.http_answers import PIECE, bound_heads, bounded
from muniment.sources.limits import SHORT_ANSWER, WHOLE_ANSWER, most_bytes
from muniment.sources.network import lost
from muniment.sources.oauth import Tokens
from muniment.sources.retry import ATTEMPTS, Passing, Patience
from muniment.sources.spool_files import spool_file

T = TypeVar("T")
Part = dict[str, Any] | Refused | Passing
"""An answer to a request of a batch: its JSON, or why there is none."""

ROOT = "/v1.0"
BATCH = 20
"""Requests that one $batch may hold."""
PAGE = 500
"""Entries of a list that are asked for at once."""
RENEWALS = 2
BUSY = "Microsoft Graph is busy, and asked to be left alone for a while"
HTTPS_PORT = 443
_LENGTHS = {"content-length", "transfer-encoding"}
"""Fields that say where an answer ends: without them an empty one may be a line that broke."""


class Cut(Passing):
    """The line broke, or nothing came over it: no mailbox is at fault, but the network or the service."""


class Untaken(LoginRefused):
    """The service takes no token for a request, however new."""


class _Bearer:
    """One token for all threads."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._lock = threading.Lock()

    def token(self) -> str:
        with self._lock:
            return self._tokens.token()

    def renew(self, old: str) -> None:
        """Have another one than `old`, unless another thread has got it already."""
        with self._lock:
            if self._tokens.token() == old:
                self._tokens.token(renew=True)


class GraphWire:
    """Requests to Graph; safe for several threads. `lane` is whose mailbox a request is about."""

    def __init__(
        self, endpoint: Endpoint, tokens: Tokens, sleep: Callable[[float], None], threads: int
    ) -> None:
        """Raises SourceError when the file of authorities can't be used."""
        self._endpoint = endpoint
        self._sleep = sleep
        self._bearer = _Bearer(tokens)
        self.lanes = Lanes(self._leave_alone)
        self.proved = False
        """Whether the service has taken a token."""
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

    def _leave_alone(self, seconds: float) -> None:
        """Wait as the service wants it, and say so to who watches."""
        self._endpoint.tell(
            Waiting(seconds, "Microsoft Graph is busy, and asked to be left alone for a while")
        )
        self._sleep(seconds)

    def close(self) -> None:
        """Close all connections that are idle."""
        self._pool.clear()

    def page(self, lane: str, path: str, *, wait: bool = True) -> Page:
        """Part of a list; `path` as it is written, or as an earlier Page has it.

        Without `wait`, it is not waited for a service that wants a mailbox to be left alone.

        Raises:
            Refused: the service does not answer it, nor would it later.
            Passing: it could not answer for a while; Delayed, when it is not waited for.
            Untaken: it takes no token.
        """
        return self._persist(lane, lambda token: self.as_page(self._json(Call("GET", path), token)), wait)

    def as_page(self, value: dict[str, Any]) -> Page:
        """A list's part as the service writes it; a single object is an empty one. Raises SourceError."""
        values = value.get("value", [])
        if not isinstance(values, list):
            raise self._no_graph()
        links = [self._relative(str(value.get(f"@odata.{name}", ""))) for name in ("nextLink", "deltaLink")]
        return Page([one for one in values if isinstance(one, dict)], *links)

    def mime(self, lane: str, path: str, *, wait: bool = True, attempts: int = ATTEMPTS) -> bytes | Path:
        """A message's MIME, in a file of the work folder when above SPOOL_ABOVE. Raises as `page` does."""
        return self._persist(lane, lambda token: self._mime(path, token), wait, attempts)

    def batch(self, lane: str, calls: Sequence[Call], *, wait: bool = True) -> list[dict[str, Any] | Refused]:
        """Answers to at most BATCH requests, in their order. Raises as `page` does."""
        answers: dict[int, dict[str, Any] | Refused] = {}
        self._persist(lane, lambda token: self._batch(calls, answers, token), wait)
        return [answers[n] for n in range(len(calls))]

    def some(self, lane: str, calls: Sequence[Call], *, wait: bool = True) -> list[Part]:
        """As `batch`, with the trouble where the service failed again and again, or refused the whole."""
        answers: dict[int, dict[str, Any] | Refused] = {}
        trouble: Part = {}
        try:
            self._persist(lane, lambda token: self._batch(calls, answers, token), wait)
        except Delayed:
            raise
        except (Passing, Refused) as error:
            trouble = error
        return [answers.get(n, trouble) for n in range(len(calls))]

    # --- one attempt, and the next ----------------------------------------------------------------

    def _persist(self, lane: str, ask: Callable[[str], T], wait: bool, attempts: int = ATTEMPTS) -> T:
        patience = Patience(self._sleep, attempts)
        renewed = 0
        while True:
            self.lanes.enter(lane, wait=wait)
            try:
                token = self._bearer.token()
                answer = ask(token)
            except PutOff as error:
                self.lanes.put_off(lane, error)
            except Expired as error:
                renewed += 1
                if renewed > RENEWALS:
                    raise self._untaken(error.code) from None
                self._bearer.renew(token)
            except Passing as error:
                patience.again(error)
            else:
                self.proved = True
                self.lanes.progress(lane)
                return answer

    def _untaken(self, code: str) -> Untaken:
        return Untaken(
            f"{self._endpoint.host} does not take the tokens that are given out for it (401 {code}): check "
            "that `host` and `authority` are of the same cloud."
        )

    def _json(self, call: Call, token: str, body: bytes | None = None) -> dict[str, Any]:
        with self._response(call, token, body) as response, self._translated():
            return self._decoded(self._whole(response, WHOLE_ANSWER))

    def _whole(self, response: urllib3.BaseHTTPResponse, most: int) -> bytes:
        return b"".join(self._pieces(response, most))

    def _pieces(self, response: urllib3.BaseHTTPResponse, most: int) -> Iterator[bytes]:
        endpoint = self._endpoint
        return bounded(response, response.stream(PIECE), endpoint.address, endpoint.timeout, most)

    def _decoded(self, data: bytes) -> dict[str, Any]:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self._no_graph()
        return value

    def _no_graph(self) -> Passing:
        return Passing(f"{self._endpoint.host} does not answer as Microsoft Graph does: check `host`.")

    def _mime(self, path: str, token: str) -> bytes | Path:
        with self._response(Call("GET", path), token, None, "identity") as response, self._translated():
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise Passing(f"{self._endpoint.host} compresses a message though it is asked not to.")
            pieces = self._pieces(response, most_bytes(None))
            head = bytearray()
            for piece in pieces:
                head += piece
                if len(head) > SPOOL_ABOVE:
                    break
            else:
                stated = _LENGTHS.intersection(name.lower() for name in response.headers)
                if not head and not stated:  # the line broke in the header
                    raise Cut(str(lost(self._endpoint)))
                return bytes(head)
            with spool_file(self._endpoint.work) as (file, name):
                file.write(head)
                file.writelines(pieces)
            return name

    def _batch(self, calls: Sequence[Call], answers: dict[int, dict[str, Any] | Refused], token: str) -> None:
        """Ask for what has no answer yet, and take those that count. Raises what is wrong with the rest."""
        open_calls = [_entry(n, call) for n, call in enumerate(calls) if n not in answers]
        body = json.dumps({"requests": open_calls}).encode()
        value = self._json(Call("POST", "/$batch"), token, body)
        trouble: list[Exception] = []
        asked = {int(one["id"]) for one in open_calls}
        for number, status, stated, content in self._parts(value):
            if number not in asked:
                continue
            try:
                check(status, stated, content)
                done = calls[number].method == "GET" or status == NO_CONTENT  # anything else proves nothing
                answers[number] = content if done else Refused(status, NO_CODE)
            except Refused as refusal:
                answers[number] = refusal
            except (Expired, Passing) as error:
                trouble.append(error)
        if trouble:
            raise max(trouble, key=_weight)
        if len(answers) < len(calls):
            raise Passing("Microsoft Graph left out answers of a batch: run again later.")

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
        self, call: Call, token: str, body: bytes | None = None, encoding: str = "gzip"
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to a request, if it is a good one; one that is not read to its end is hung up on."""
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
        """Turn what the network does to the library into our errors."""
        try:
            yield
        except SSLError as error:
            cause = error.args[0] if error.args else None
            with tls.explained(self._endpoint):
                if isinstance(cause, ssl.SSLCertVerificationError):
                    raise cause from error
            raise Cut(str(lost(self._endpoint, error))) from error
        except TimedOut as error:
            raise Cut(str(lost(self._endpoint, TimeoutError()))) from error
        except HTTPError as error:
            raise Cut(str(lost(self._endpoint, error))) from error

    def _relative(self, link: str) -> str:
        """A link as a path below the API's root: the token goes to no other host, whatever an answer says."""
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
                f"{self._endpoint.host} names another server to go on at, which is not asked: check `host`."
            )
        path = parts.path.removeprefix(ROOT)
        return f"{path}?{parts.query}" if parts.query else path


_PREFERENCES = {"Prefer": f'IdType="ImmutableId", odata.maxpagesize={PAGE}', "Accept": "application/json"}


def _entry(number: int, call: Call) -> dict[str, Any]:
    """A request of a batch. One that writes must have a body and its type, though neither says anything:
    else the service refuses the whole batch ("Write request id : n does not contain Content-Type header or
    body")."""
    entry = {"id": str(number), "method": call.method, "url": call.path, "headers": _PREFERENCES}
    if call.method == "GET":
        return entry
    return entry | {"headers": {**_PREFERENCES, "Content-Type": "application/json"}, "body": {}}


def proxy_for(host: str) -> str:
    """The proxy that the environment names for a host; "" for none."""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return ""
    return urllib.request.getproxies().get("https", "")


def _weight(error: Exception) -> tuple[bool, float]:
    """What of a batch's troubles is seen to first: a token that expired, then the longest wait."""
    return isinstance(error, Expired), (error.seconds or 0.0) if isinstance(error, PutOff) else -1.0

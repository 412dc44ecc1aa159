"""Microsoft Graph over HTTPS: tokens, pages, batches and messages, in spite of throttles and broken lines.

urllib3 carries it: MSAL loads it anyway (by requests), it pools connections, streams, may be used by threads,
and takes an SSL context of ours.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import urllib3
from urllib3.exceptions import HTTPError, SSLError
from urllib3.exceptions import TimeoutError as TimedOut

from muniment.errors import LoginRefused, SourceError
from muniment.fields import is_loopback
from muniment.sources import tls
from muniment.sources.base import SPOOL_ABOVE
from muniment.sources.endpoint import Endpoint
from muniment.sources.http_answers import PIECE, bound_heads, bounded
from muniment.sources.limits import SHORT_ANSWER, WHOLE_ANSWER, most_bytes
from muniment.sources.network import lost
from muniment.sources.oauth import Tokens
from muniment.sources.retry import Passing, Patience
from muniment.sources.work import spool_file

T = TypeVar("T")

ROOT = "/v1.0"
BATCH = 20
"""Requests that one $batch may hold."""
PAGE = 500
"""Entries of a list that are asked for at once."""
THROTTLES = 30
"""How often in a row a request is put off by the service before the run gives up."""
LONGEST_WAIT = 900.0
"""Seconds that a Retry-After may ask for; the service counts requests over ten minutes."""
RENEWALS = 2
HTTPS_PORT = 443
OK, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, GONE = 200, 400, 401, 403, 404, 410
PUT_OFF = frozenset({429, 503, 509})
"""Statuses of a service that wants to be left alone for a while."""
SERVER_ERROR = 500
REQUEST_TIMEOUT = 408
UNRENDERABLE = frozenset({"ErrorMimeContentConversionFailed", "ErrorContentConversionFailed",
                          "ErrorMimeContentInvalid", "ErrorCorruptData"})  # fmt: skip
"""What Exchange says of a message that it can't write as MIME, however often it is asked."""
STALE = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired", "resyncchangesapplydifferences",
                   "resyncchangesuploaddifferences"})  # fmt: skip
"""What Graph says of a delta token that it no longer knows."""
_LENGTHS = {"content-length", "transfer-encoding"}
"""Fields that say where an answer ends: without them an empty one may be a line that broke."""
_CODE = re.compile(r"[A-Za-z0-9._-]{1,80}\Z")


class Refused(SourceError):
    """An answer that asking again would not change."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(
            f"Microsoft Graph refused a request ({status} {code}): run again, and if it stays so, look that "
            "code up in Microsoft's documentation."
        )
        self.status, self.code = status, code

    @property
    def stale(self) -> bool:
        """Whether a delta token is no longer known."""
        return self.status == GONE or self.code.lower() in STALE


class _PutOff(Passing):
    """The service wants to be left alone: for so many seconds, where it says so."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message)
        self.seconds = seconds


class _Expired(Exception):
    """The token is no longer good."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request below the API's root, such as GET /users/anna@example.org/mailFolders."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list."""

    values: list[dict[str, Any]]
    next: str = ""
    """Where the next part is; "" at the end."""
    delta: str = ""
    """At the end of a delta query: where to ask for what changed since."""


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


class _Gates:
    """Until when the service wants to be left alone, for each mailbox: its limits go by mailbox."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._until: dict[str, float] = {}

    def shut(self, lane: str, seconds: float) -> None:
        self._until[lane] = max(self._until.get(lane, 0.0), time.monotonic() + seconds)

    def wait(self, lane: str) -> None:
        left = self._until.get(lane, 0.0) - time.monotonic()
        if left > 0:
            self._sleep(left)


class GraphWire:
    """Requests to Graph; safe for several threads. `lane` is whose mailbox a request is about."""

    def __init__(
        self, endpoint: Endpoint, tokens: Tokens, sleep: Callable[[float], None], threads: int
    ) -> None:
        """Raises SourceError when the file of authorities can't be used."""
        self._endpoint = endpoint
        self._sleep = sleep
        self._bearer = _Bearer(tokens)
        self._gates = _Gates(sleep)
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

    def close(self) -> None:
        """Close all connections that are idle."""
        self._pool.clear()

    def page(self, lane: str, path: str) -> Page:
        """Part of a list; `path` as it is written, or as an earlier Page has it.

        Raises:
            Refused: the service does not answer it, nor would it later.
            Passing: it could not answer for a while.
            LoginRefused: it takes no token.
        """
        return self._persist(lane, lambda token: self.as_page(self._json(Call("GET", path), token)))

    def as_page(self, value: dict[str, Any]) -> Page:
        """A list's part as the service writes it; a single object is an empty one. Raises SourceError."""
        values = value.get("value", [])
        if not isinstance(values, list):
            raise self._no_graph()
        links = [self._relative(str(value.get(f"@odata.{name}", ""))) for name in ("nextLink", "deltaLink")]
        return Page([one for one in values if isinstance(one, dict)], *links)

    def mime(self, lane: str, path: str) -> bytes | Path:
        """A message's MIME, in a file of the work folder when above SPOOL_ABOVE. Raises as `page` does."""
        return self._persist(lane, lambda token: self._mime(path, token))

    def batch(self, lane: str, calls: Sequence[Call]) -> list[dict[str, Any] | Refused]:
        """Answers to at most BATCH requests, in their order. Raises as `page` does."""
        answers: dict[int, dict[str, Any] | Refused] = {}
        self._persist(lane, lambda token: self._batch(calls, answers, token))
        return [answers[n] for n in range(len(calls))]

    def some(self, lane: str, calls: Sequence[Call]) -> list[dict[str, Any] | Refused | None]:
        """As `batch`, with None where the service failed again and again; raises where it answered none."""
        answers: dict[int, dict[str, Any] | Refused] = {}
        try:
            self._persist(lane, lambda token: self._batch(calls, answers, token))
        except Passing:
            if not answers:
                raise
        return [answers.get(n) for n in range(len(calls))]

    # --- one attempt, and the next ----------------------------------------------------------------

    def _persist(self, lane: str, ask: Callable[[str], T]) -> T:
        patience = Patience(self._sleep)
        put_off = renewed = 0
        while True:
            self._gates.wait(lane)
            try:
                token = self._bearer.token()
                return ask(token)
            except _PutOff as error:
                put_off += 1
                wait = min(2.0**put_off, 60.0) if error.seconds is None else error.seconds
                if put_off > THROTTLES or wait > LONGEST_WAIT:
                    raise
                self._gates.shut(lane, wait)
            except _Expired:
                renewed += 1
                if renewed > RENEWALS:
                    raise self._unauthorized() from None
                self._bearer.renew(token)
            except Passing as error:
                patience.again(error)

    def _unauthorized(self) -> LoginRefused:
        return LoginRefused(
            f"{self._endpoint.host} does not take the tokens that are given out for it: check that `host` "
            "and `authority` are of the same cloud."
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
                    raise lost(self._endpoint)
                return bytes(head)
            with spool_file(self._endpoint.work) as (file, name):
                file.write(head)
                file.writelines(pieces)
            return name

    def _batch(self, calls: Sequence[Call], answers: dict[int, dict[str, Any] | Refused], token: str) -> None:
        """Ask for what has no answer yet, and take those that count. Raises what is wrong with the rest."""
        open_calls = [
            {"id": str(n), "method": call.method, "url": call.path, "headers": _PREFERENCES}
            for n, call in enumerate(calls)
            if n not in answers
        ]
        body = json.dumps({"requests": open_calls}).encode()
        value = self._json(Call("POST", "/$batch"), token, body)
        trouble: list[Exception] = []
        for number, status, stated, content in self._parts(value):
            try:
                self._check(status, stated, content)
                answers[number] = content
            except Refused as refusal:
                answers[number] = refusal
            except (_Expired, Passing) as error:
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
                self._check(response.status, response.headers, content)
            yield response
            response.release_conn()

    def _check(self, status: int, headers: Mapping[str, str], content: bytes | dict[str, Any]) -> None:
        """Raise what an answer that is none stands for."""
        if status < BAD_REQUEST:
            return
        code = _code_in(content)
        if code in UNRENDERABLE:
            raise Refused(status, code)
        if status == UNAUTHORIZED:
            raise _Expired
        if status in PUT_OFF:
            wait = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
            seconds = float(wait) if wait.isascii() and wait.isdigit() else None
            raise _PutOff(
                f"Microsoft Graph is busy ({status} {code}) and asked to be left alone for a while: run "
                "again later, or less often.",
                seconds,
            )
        if status >= SERVER_ERROR or status == REQUEST_TIMEOUT:
            raise Passing(f"Microsoft Graph has trouble of its own ({status} {code}): run again later.")
        raise Refused(status, code)

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
            raise lost(self._endpoint, error) from error
        except TimedOut as error:
            raise lost(self._endpoint, TimeoutError()) from error
        except HTTPError as error:
            raise lost(self._endpoint, error) from error

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


@contextmanager
def understood(endpoint: Endpoint) -> Iterator[None]:
    """Turn JSON that lacks what it must have, or has something else there, into one of our errors."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Passing(f"{endpoint.host} does not answer as Microsoft Graph does: check `host`.") from error


def proxy_for(host: str) -> str:
    """The proxy that the environment names for a host; "" for none."""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return ""
    return urllib.request.getproxies().get("https", "")


def _weight(error: Exception) -> tuple[bool, float]:
    """What of a batch's troubles is seen to first: a token that expired, then the longest wait."""
    return isinstance(error, _Expired), (error.seconds or 0.0) if isinstance(error, _PutOff) else -1.0


def _code_in(content: bytes | dict[str, Any]) -> str:
    """The code of an error; the service's own words are long, and not looked up."""
    if isinstance(content, bytes):
        try:
            content = json.loads(content)
        except (ValueError, RecursionError):
            return "without a code"
    error = content.get("error") if isinstance(content, dict) else None
    code = str(error.get("code", "")) if isinstance(error, dict) else ""
    return code if _CODE.match(code) else "without a code"

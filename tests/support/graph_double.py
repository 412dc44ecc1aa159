"""A double of Microsoft Graph's mail, over HTTPS on loopback.

It accepts only what Microsoft documents or people have reported, and names where. It refuses everything else
(`unknown`), even if the real service would accept it.

`support.graph_sources` says where each answer comes from, by the letters in the comments here, and
tests/sources/test_graph_double.py tests each. Some answers are unknown, so they are refused or left to the
test (`deletes`, `sick`): how a cloud without permanentDelete answers it (405 is D1's own example of a missing
method, 400 is R4, 404 is possible), and what happens to a moved message that is asked for below its old
folder.

It does not cover: OData beyond these requests ($filter, $expand, $search), requests of a batch that run in
parallel or depend on one another, delegated access, real MIME conversion, in-place archives and groups (which
these calls don't reach), and HTTP/2.
"""

from __future__ import annotations

import email.message
import gzip
import json
import secrets
import ssl
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.entra import Entra
from support.graph_mailboxes import LANGUAGES, Folder, Mailbox, Message, Sick
from support.regenerating import regenerated

AT_ONCE = 4
FOLDERS = 10
"""Folders on a page (R8)."""
IMMUTABLE = 'IdType="ImmutableId"'
ENCODINGS = ("base64", "8bit", "quoted-printable")
__all__ = ["LANGUAGES", "GraphDouble", "Mailbox", "Sick"]
PERMISSIONS = {"Mail.Read", "Mail.ReadWrite", "User.Read.All"}


class Answer(Exception):
    """An answer that ends the work on a request."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


def failed(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """An error in Graph's form (D2); its code can be empty (D1)."""
    inner = {"date": "2026-11-30T06:00:00", "request-id": secrets.token_hex(16), "client-request-id": "none"}
    words = message or f"The words for {code}."
    return Answer(status, {"error": {"code": code, "message": words, "innerError": inner}}, **headers)


def unknown(what: str) -> Answer:
    """A request whose answer no public source documents: our code must not rely on it."""
    return failed(501, "UnknownToTheDouble", what)


def sickness(sick: Sick) -> Answer:
    """The answer of a mailbox, folder or message that fails."""
    headers = {"Retry-After": sick.retry_after} if sick.retry_after else {}
    if sick.html:
        return Answer(sick.status, b"<html><title>Blocked</title>Ask your administrator.</html>", **headers)
    return failed(sick.status, sick.code, **headers)


class GraphDouble:
    """A running service; use as a context manager."""

    def __init__(self, entra: Entra, regenerate: bool = False) -> None:
        self.entra = entra
        self.regenerate = regenerate
        self.calm()
        self._busy: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _Server(self)
        self.host, self.port = "localhost", self._server.server_port

    def calm(self) -> None:
        """Reset everything: no errors, no mailboxes, all counters at zero."""
        self.roles = set(PERMISSIONS)
        self.mailboxes: dict[str, Mailbox] = {}
        self.page = 500
        """Most entries on a page of a list."""
        self.replay = False
        """Whether each page of a delta query begins with the last entry of the previous one."""
        self.slow = 0.0
        """Additional seconds for each request about a mailbox."""
        self.storm = 0
        """Number of the next requests about mailboxes that are throttled."""
        self.retry_after = "1"
        self.trouble: list[tuple[str, int, str]] = []
        """Answers to give once to a request whose path contains a text: text, status, code."""
        self.generation = 0
        """The generation of delta tokens; tokens of another one are stale."""
        self.asked: Counter[str] = Counter()
        """Number of requests of each kind."""
        self.seen: list[str] = []
        """The tokens in the requests."""
        self.peak: Counter[str] = Counter()
        """The most requests that were served at a time, by mailbox."""
        self.over: Counter[str] = Counter()
        """Requests that were refused since there were too many at a time."""
        self.on_page: Callable[[], object] = lambda: None
        """Called before each page of a delta query is sent."""
        self.on_message: Callable[[int], object] = lambda count: None
        """Called before a message is sent, with the number of messages asked for so far."""
        self.deletes: int | str = 204
        """204, or what a cloud without permanentDelete answers: 400, 404, 405, or "404 item"."""
        self.limit, self.window = 10_000, 600.0
        """Number of requests that a mailbox serves, and the window in seconds (D3)."""
        self.clock: Callable[[], float] = time.monotonic
        self.strays = False
        """Whether an initial delta query lists messages removed before, and has empty pages in between."""

    def __enter__(self) -> GraphDouble:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def mailbox(self, address: str, language: str = "en") -> Mailbox:
        """A new mailbox."""
        made = Mailbox(address, language)
        self.mailboxes[address] = self.mailboxes[made.id] = made
        return made

    def expire(self) -> None:
        """Make all tokens invalid that were used so far."""
        self.entra.revoked.update(self.seen)

    # --- answering --------------------------------------------------------------------------

    def answer(
        self, method: str, target: str, headers: Mapping[str, str] | email.message.Message, body: bytes
    ) -> Answer:
        """The answer to a request."""
        try:
            self._let_in(headers.get("Authorization", "").removeprefix("Bearer "))
            if target == "/v1.0/$batch":
                return self._batch(json.loads(body)["requests"])
            return self._single(method, target.removeprefix("/v1.0"), headers)
        except Answer as answer:
            return answer

    def _let_in(self, token: str) -> None:
        if not self.entra.good(token):
            raise failed(401, "InvalidAuthenticationToken")
        if not self.seen or self.seen[-1] != token:
            self.seen.append(token)

    def _batch(self, calls: list[dict[str, Any]]) -> Answer:
        """D1; R2 for what writes without a body."""
        ids = [str(call["id"]).lower() for call in calls]
        if len(calls) > 20 or len(set(ids)) < len(ids):
            return failed(400, "BadRequest", "Duplicate ids, or too many requests.")
        for call in calls:
            types = {name.lower() for name in call.get("headers", {})}
            if call["method"] != "GET" and ("body" not in call or "content-type" not in types):
                words = f"Write request id : {call['id']} does not contain Content-Type header or body."
                return failed(400, "BadRequest", words)
            if not call["url"].startswith("/"):
                return unknown("an absolute url in a batch")
        self.asked["batch"] += 1
        responses = []
        for call in calls:
            try:
                answer = self._single(call["method"], call["url"], call.get("headers", {}))
            except Answer as raised:
                answer = raised
            body = None if isinstance(answer.body, bytes) else answer.body
            responses.append({"id": call["id"], "status": answer.status, "headers": answer.headers,
                              "body": body})  # fmt: skip
        return Answer(200, {"responses": responses[::-1]})

    def _single(self, method: str, target: str, headers: Mapping[str, str] | email.message.Message) -> Answer:
        path, _, query = target.partition("?")
        options = dict(urllib.parse.parse_qsl(query))
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        if parts == ["users"]:
            return self._users(options)
        mailbox = self.mailboxes.get(parts[1])
        if mailbox is None:
            raise failed(404, "Request_ResourceNotFound")
        with self._slot(mailbox):
            self._count(mailbox)
            self._weather(target)
            if mailbox.sick:
                raise sickness(mailbox.sick)
            needed = {"Mail.ReadWrite"} if method != "GET" else {"Mail.Read", "Mail.ReadWrite"}
            if mailbox.denied or not needed & self.roles:
                raise failed(403, "ErrorAccessDenied")
            if mailbox.absent:
                raise failed(404, "MailboxNotEnabledForRESTAPI")  # R7
            if "messages" in parts and IMMUTABLE not in headers.get("Prefer", ""):
                raise unknown("an id that changes as messages move (D5): no code of ours may ask for one")
            return self._about(mailbox, method, parts[2:], options)

    def _count(self, mailbox: Mailbox) -> None:
        """The limit over ten minutes (D3): each request counts, in a batch as well."""
        now = self.clock()
        with self._lock:
            mailbox.served = [at for at in mailbox.served if at > now - self.window]
            if len(mailbox.served) >= self.limit:
                left = mailbox.served[0] + self.window - now
                raise failed(429, "ApplicationThrottled", **{"Retry-After": str(int(left) + 1)})
            mailbox.served.append(now)

    def _slot(self, mailbox: Mailbox) -> _Slot:
        return _Slot(self._lock, self._busy, self.peak, self.over, mailbox.address)

    def _weather(self, target: str) -> None:
        """Errors that the request itself does not cause."""
        if self.slow:
            time.sleep(self.slow)
        with self._lock:
            if self.storm > 0:
                self.storm -= 1
                raise failed(429, "ApplicationThrottled", **{"Retry-After": self.retry_after})
            for one in self.trouble:
                if one[0] in urllib.parse.unquote(target):
                    self.trouble.remove(one)
                    raise failed(one[1], one[2])

    def _users(self, options: dict[str, str]) -> Answer:
        if "User.Read.All" not in self.roles:
            raise failed(403, "Authorization_RequestDenied")
        people = [one for name, one in self.mailboxes.items() if name == one.address]
        values = [{"id": one.id, "mail": one.address} for one in people] + [{"id": "no-mail", "mail": None}]
        return self._part(values, "/users", options, 100)

    def _part(self, values: list[dict[str, Any]], path: str, options: dict[str, str], most: int) -> Answer:
        """A part of a list, with a link to the next."""
        skip = int(options.get("$skip", 0))
        top = min(int(options.get("$top", most)), self.page)
        body: dict[str, Any] = {"value": values[skip : skip + top]}
        if skip + top < len(values):
            query = urllib.parse.urlencode(options | {"$skip": skip + top})
            body["@odata.nextLink"] = self._link(path, query)
        return Answer(200, body)

    def _link(self, path: str, query: str) -> str:
        return f"https://{self.host}:{self.port}/v1.0{path}?{query}"

    def _about(self, mailbox: Mailbox, method: str, parts: list[str], options: dict[str, str]) -> Answer:
        path = f"/users/{mailbox.address}/" + "/".join(urllib.parse.quote(part, safe="") for part in parts)
        match parts:
            case ["mailFolders"]:
                return self._part(self._children(mailbox, ""), path, options, FOLDERS)
            case ["mailFolders", name]:
                return Answer(200, self._shown(mailbox, self._folder(mailbox, name)))
            case ["mailFolders", name, "childFolders"]:
                children = self._children(mailbox, self._folder(mailbox, name).id)
                return self._part(children, path, options, FOLDERS)
            case ["mailFolders", name, "messages", "delta"]:
                self.on_page()
                return self._delta(mailbox, self._folder(mailbox, name), path, options)
            case ["mailFolders", _, "messages", _, "$value"]:
                raise failed(405, "ErrorInvalidRequest", "The OData request is not supported.")  # R1
            case ["mailFolders", *_]:
                raise unknown("a message below its folder: what if it was moved?")
            case ["messages", id_, *rest]:
                return self._message(mailbox, id_, method, rest, options)
        raise failed(400, "BadRequest", "Resource not found for the segment.")  # R4

    def _folder(self, mailbox: Mailbox, name: str) -> Folder:
        found = mailbox.folders.get(mailbox.known.get(name, name))
        if found is None:
            raise failed(404, "ErrorItemNotFound")
        if found.sick:
            raise sickness(found.sick)
        return found

    def _children(self, mailbox: Mailbox, parent: str) -> list[dict[str, Any]]:
        self.asked["folders"] += 1
        return [
            self._shown(mailbox, one)
            for one in list(mailbox.folders.values())
            if one.parent == parent and not one.hidden
        ]

    def _shown(self, mailbox: Mailbox, folder: Folder) -> dict[str, Any]:
        children = sum(one.parent == folder.id for one in list(mailbox.folders.values()))
        shown = {"id": folder.id, "displayName": folder.name, "childFolderCount": children, "isHidden": False,
                 "totalItemCount": len(folder.messages)}  # fmt: skip
        return shown | ({"@odata.type": "#microsoft.graph.mailSearchFolder"} if folder.search else {})

    def _delta(self, mailbox: Mailbox, folder: Folder, path: str, options: dict[str, str]) -> Answer:
        """The changes since a token: of each message only the last one (D4).

        A token has the service's generation, the first and the next change of the query, and its $select.
        """
        self.asked["delta"] += 1
        token = options.get("$skiptoken") or options.get("$deltatoken")
        if token and "$select" in options:
            raise failed(400, "BadRequest", "$select and a token are not supported together.")
        token = token or f"{self.generation}.0.0.{options.get('$select', '')}"
        at, since = 0, 0
        generation, since, at = (int(part) for part in token.split(".")[:3])
        select = token.split(".")[3]
        if generation != self.generation:
            again = self._link(path, "$deltatoken=")
            raise failed(410, "SyncStateNotFound", "The sync state generation is not found.", Location=again)
        with mailbox.lock:
            changes = folder.changes[at : at + self.page]
            behind = at + len(changes) < len(folder.changes)
            begin = max(at - 1, since) if self.replay else at
            latest = dict(folder.changes[begin : at + len(changes)])
            told = since > 0 or self.strays
            values = [self._change(folder, id_, told, select) for id_ in latest]
        body: dict[str, Any] = {"value": [value for value in values if value]}
        end = at + len(changes)
        if self.strays and secrets.randbelow(2):
            body = {"value": [], "@odata.nextLink": self._link(path, f"$skiptoken={token}")}
        elif behind:
            body["@odata.nextLink"] = self._link(path, f"$skiptoken={generation}.{since}.{end}.{select}")
        else:
            body["@odata.deltaLink"] = self._link(path, f"$deltatoken={generation}.{end}.{end}.{select}")
        return Answer(200, body)

    def _change(self, folder: Folder, id_: str, told: bool, select: str) -> dict[str, Any] | None:
        message = folder.messages.get(id_)
        if message:
            return {"@odata.etag": 'W/"1"'} | _selected(folder, message, select)
        return {"id": id_, "@removed": {"reason": "deleted"}} if told else None

    def _message(
        self, mailbox: Mailbox, id_: str, method: str, rest: list[str], options: dict[str, str]
    ) -> Answer:
        if (method, rest) == ("POST", ["permanentDelete"]) and self.deletes != 204:
            raise _without(self.deletes)
        if not id_.startswith("AAkALg"):
            raise failed(400, "ErrorInvalidIdMalformed", "Id is malformed.")  # R3
        folder = next((one for one in mailbox.folders.values() if id_ in one.messages), None)
        if folder is None:
            raise failed(404, "ErrorItemNotFound")
        message = folder.messages[id_]
        if method == "GET" and not rest:
            self.asked["look"] += 1
            return Answer(200, _selected(folder, message, options.get("$select", "")))
        if method == "GET" and rest == ["$value"]:
            self.asked["value"] += 1
            self.on_message(self.asked["value"])
            return self._value(message)
        if (method, rest) == ("POST", ["permanentDelete"]):
            self.asked["delete"] += 1
            mailbox.remove(id_)
            return Answer(204)  # D6
        raise unknown(f"{method} of {rest}")

    def _value(self, message: Message) -> Answer:
        if message.broken:
            raise failed(500, message.broken)
        message.reads += 1
        if not self.regenerate:
            return Answer(200, message.raw)
        return Answer(200, regenerated(message.raw, ENCODINGS[message.reads % len(ENCODINGS)]))


def _selected(folder: Folder, message: Message, select: str) -> dict[str, Any]:
    """A message's properties (D8): always the id, and the selected ones."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(message.received))
    known = {"receivedDateTime": stamp, "parentFolderId": folder.id}
    return {"id": message.id} | {name: known[name] for name in select.split(",") if name in known}


def _without(kind: int | str) -> Answer:
    """The possible answers of a cloud without permanentDelete; which one is right is unknown."""
    match kind:
        case 405:
            return failed(405, "Request_BadRequest", "Specified HTTP method is not allowed.")  # D1
        case 400:
            return failed(400, "BadRequest", "Resource not found for the segment 'permanentDelete'.")  # R4
        case 404:
            return failed(404, "ResourceNotFound", "Resource could not be discovered.")  # R7
    return failed(404, "ErrorItemNotFound")


class _Slot:
    """One of the requests that a mailbox serves at a time."""

    def __init__(self, lock: threading.Lock, busy: Counter[str], peak: Counter[str], over: Counter[str],
                 name: str) -> None:  # fmt: skip
        self._lock, self._busy, self._peak, self._over, self._name = lock, busy, peak, over, name

    def __enter__(self) -> None:
        with self._lock:
            if self._busy[self._name] >= AT_ONCE:
                self._over[self._name] += 1
                raise failed(429, "ApplicationThrottled", **{"Retry-After": "1"})
            self._busy[self._name] += 1
            self._peak[self._name] = max(self._peak[self._name], self._busy[self._name])

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._busy[self._name] -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, double: GraphDouble) -> None:
        self.double = double
        super().__init__(("127.0.0.1", 0), _Handler)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificates = double.entra.certificates
        self._context.load_cert_chain(certificates.certificate, certificates.key)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the handshake in the connection's own thread, so that it does not delay other connections."""
        try:
            with self._context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError:
            pass  # the client closed the connection


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(self.server.double.answer(self.command, self.path, self.headers, body))

    def _send(self, answer: Answer) -> None:
        data = answer.body if isinstance(answer.body, bytes) else b""
        self.send_response(answer.status)
        if isinstance(answer.body, dict):
            data = json.dumps(answer.body).encode()
            self.send_header("Content-Type", "application/json")
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                data = gzip.compress(data, 1)
                self.send_header("Content-Encoding", "gzip")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass

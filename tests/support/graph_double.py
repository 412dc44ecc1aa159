"""A double of Microsoft Graph's mail, over HTTPS on loopback.

It accepts only what Microsoft documents or people have reported, and refuses everything else (`unknown`),
even if the real service would accept it. `support.graph_requests` lists what it accepts. Each answer names
its source (`support.graph_answers`), and `support.graph_sources` says what rests on what, and what is
unknown. tests/sources/test_graph_double.py tests each.

It does not cover: OData beyond these requests, requests of a batch that run in parallel or depend on one
another, delegated access, real MIME conversion, in-place archives and groups (which these calls don't
reach), and HTTP/2.
"""

from __future__ import annotations

import email.message
import gzip
import json
import re
import secrets
import ssl
import threading
import time
import urllib.parse
from collections import Counter, deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.entra import Entra
from support.graph_answers import Answer, failed, sickness, throttled, unknown, wished, without_deletion
from support.graph_mailboxes import KNOWN, LANGUAGES, Folder, Mailbox, Message, Sick
from support.graph_requests import VERSION, Query, batch, below_version, query
from support.graph_sources import UNKNOWN
from support.regenerating import regenerated

AT_ONCE = 4
"""Requests that a mailbox serves at a time (D3)."""
FOLDERS = 10
"""Folders on a page (D7)."""
USERS = 100
"""Users on a page (D9)."""
ENCODINGS = ("base64", "8bit", "quoted-printable")
__all__ = ["LANGUAGES", "GraphDouble", "Mailbox", "Sick"]
PERMISSIONS = {"Mail.Read", "Mail.ReadWrite", "User.Read.All"}
_TOKEN = re.compile(r"(\d+)\.(\d+)\.(\d+)\.([A-Za-z,]*)\.(.+)\Z")
"""A delta token: the service's generation, the query's first and next change, its $select, its folder."""


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
        self.given: deque[tuple[str, int]] = deque(maxlen=100)
        """Source and status of the last answers; those in a batch come before the batch's own."""
        self.unknown: list[str] = []
        """The requests that were refused since the double does not know them."""
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
        fields = {name.lower(): value for name, value in headers.items()}
        try:
            below = below_version(target)
            self._let_in(fields.get("authorization", "").removeprefix("Bearer "))
            if (method, below) == ("POST", "/$batch"):
                answer = self._batch(batch(body, fields.get("content-type", "")))
            elif body:
                raise unknown("a body outside a batch")
            else:
                answer = self._single(query(method, below, fields))
        except Answer as raised:
            answer = raised
        return self._noted(f"{method} {target}", answer)

    def _noted(self, request: str, answer: Answer) -> Answer:
        self.given.append((answer.source, answer.status))
        if answer.source == UNKNOWN:
            self.unknown.append(f"{request}: {answer.body['error']['message']}")
        return answer

    def _let_in(self, token: str) -> None:
        if not self.entra.good(token):
            raise failed("R13", 401, "InvalidAuthenticationToken")
        if not self.seen or self.seen[-1] != token:
            self.seen.append(token)

    def _batch(self, calls: list[dict[str, Any]]) -> Answer:
        self.asked["batch"] += 1
        responses = []
        for call in calls:
            try:
                answer = self._single(query(call["method"], call["url"], call.get("headers", {})))
                if isinstance(answer.body, bytes):
                    raise unknown("MIME in a batch")
            except Answer as raised:
                answer = raised
            self._noted(f"{call['method']} {call['url']} in a batch", answer)
            body = None if isinstance(answer.body, bytes) else answer.body
            responses.append({"id": call["id"], "status": answer.status, "headers": answer.headers,
                              "body": body})  # fmt: skip
        return Answer("D1", 200, {"responses": responses[::-1]})

    def _single(self, asked: Query) -> Answer:
        if asked.route.name == "users":
            return self._users(asked)
        mailbox = self.mailboxes.get(asked.segments[1])
        if mailbox is None:
            raise failed("R11", 404, "ErrorInvalidUser")
        with self._slot(mailbox):
            self._count(mailbox)
            self._weather(asked.target)
            if mailbox.sick:
                raise sickness(mailbox.sick)
            needed = {"Mail.ReadWrite"} if asked.route.method != "GET" else {"Mail.Read", "Mail.ReadWrite"}
            if mailbox.denied or not needed & self.roles:
                raise failed("R12", 403, "ErrorAccessDenied")
            if mailbox.absent:
                raise failed("R8", 404, "MailboxNotEnabledForRESTAPI")
            return self._about(mailbox, asked)

    def _count(self, mailbox: Mailbox) -> None:
        """The limit over ten minutes (D3): each request counts, in a batch as well."""
        now = self.clock()
        with self._lock:
            mailbox.served = [at for at in mailbox.served if at > now - self.window]
            if len(mailbox.served) >= self.limit:
                left = mailbox.served[0] + self.window - now
                raise throttled(str(int(left) + 1))
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
                raise throttled(self.retry_after)
            for one in self.trouble:
                if one[0] in urllib.parse.unquote(target):
                    self.trouble.remove(one)
                    raise wished(one[1], one[2])

    def _users(self, asked: Query) -> Answer:
        if "User.Read.All" not in self.roles:
            raise failed("R14", 403, "Authorization_RequestDenied")
        people = [one for name, one in self.mailboxes.items() if name == one.address]
        values = [{"id": one.id, "mail": one.address} for one in people] + [{"id": "no-mail", "mail": None}]
        skip = asked.options.get("$skiptoken", "0")
        if not skip.isdecimal():
            raise unknown("a token of another service")
        return self._part(
            "D9", [_selected(one, asked) for one in values], "/users", asked, "$skiptoken", USERS
        )

    def _part(
        self, source: str, values: list[dict[str, Any]], path: str, asked: Query, skipping: str, most: int
    ) -> Answer:
        """A part of a list, with a link to the next."""
        skip = int(asked.options.get(skipping, 0))
        top = min(int(asked.options.get("$top", most)), self.page)
        body: dict[str, Any] = {"value": values[skip : skip + top]}
        if skip + top < len(values):
            rest = urllib.parse.urlencode(asked.options | {skipping: skip + top})
            body["@odata.nextLink"] = self._link(path, rest)
        return Answer(source, 200, body)

    def _link(self, path: str, options: str) -> str:
        return f"https://{self.host}:{self.port}{VERSION}{path}?{options}"

    def _about(self, mailbox: Mailbox, asked: Query) -> Answer:
        rest = asked.segments[2:]
        path = f"/users/{mailbox.address}/" + "/".join(urllib.parse.quote(part, safe="") for part in rest)
        match asked.route.name:
            case "folders":
                return self._part("D7", self._children(mailbox, "", asked), path, asked, "$skip", FOLDERS)
            case "folder":
                shown = self._shown(mailbox, self._folder(mailbox, rest[1]), asked)
                return Answer("D11", 200, shown)
            case "children":
                children = self._children(mailbox, self._folder(mailbox, rest[1]).id, asked)
                return self._part("D7", children, path, asked, "$skip", FOLDERS)
            case "delta":
                self.on_page()
                return self._delta(mailbox, self._folder(mailbox, rest[1]), path, asked)
            case "value below a folder":
                raise failed("R1", 405, "ErrorInvalidRequest", "The OData request is not supported.")
        return self._message(mailbox, rest[1], asked)

    def _folder(self, mailbox: Mailbox, name: str) -> Folder:
        id_ = mailbox.known.get(name, name)
        if id_ == name and not name.startswith("AAMk") and name not in KNOWN:
            raise unknown(f"a folder with the name {name}")
        found = mailbox.folders.get(id_)
        if found is None:
            raise failed("R9", 404, "ErrorItemNotFound")
        if found.sick:
            raise sickness(found.sick)
        return found

    def _children(self, mailbox: Mailbox, parent: str, asked: Query) -> list[dict[str, Any]]:
        self.asked["folders"] += 1
        return [
            self._shown(mailbox, one, asked)
            for one in list(mailbox.folders.values())
            if one.parent == parent and not one.hidden
        ]

    def _shown(self, mailbox: Mailbox, folder: Folder, asked: Query) -> dict[str, Any]:
        children = sum(one.parent == folder.id for one in list(mailbox.folders.values()))
        shown = {"id": folder.id, "displayName": folder.name, "childFolderCount": children, "isHidden": False,
                 "totalItemCount": len(folder.messages)}  # fmt: skip
        kind = {"@odata.type": "#microsoft.graph.mailSearchFolder"} if folder.search else {}
        return _selected(shown, asked) | kind

    def _delta(self, mailbox: Mailbox, folder: Folder, path: str, asked: Query) -> Answer:
        """The changes since a token: of each message only the last one (D4)."""
        self.asked["delta"] += 1
        token = asked.options.get("$skiptoken") or asked.options.get("$deltatoken")
        read = _TOKEN.match(token or f"{self.generation}.0.0.{','.join(asked.select)}.{folder.id}")
        if not read or read[5] != folder.id:
            raise unknown("a token of another service or folder")
        generation, since, at, select = int(read[1]), int(read[2]), int(read[3]), read[4]
        if generation != self.generation:
            again = self._link(path, "$deltatoken=")
            words = "The sync state generation is not found."
            raise failed("D4 R6", 410, "SyncStateNotFound", words, Location=again)
        size = min(self.page, asked.page or self.page)
        with mailbox.lock:
            changes = folder.changes[at : at + size]
            behind = at + len(changes) < len(folder.changes)
            begin = max(at - 1, since) if self.replay else at
            latest = dict(folder.changes[begin : at + len(changes)])
            told = since > 0 or self.strays
            values = [self._change(folder, id_, told, select) for id_ in latest]
        body: dict[str, Any] = {"value": [value for value in values if value]}
        end = at + len(changes)
        if self.strays and secrets.randbelow(2):
            body = {"value": [], "@odata.nextLink": self._link(path, f"$skiptoken={read[0]}")}
        elif behind:
            left = f"{generation}.{since}.{end}.{select}.{folder.id}"
            body["@odata.nextLink"] = self._link(path, f"$skiptoken={left}")
        else:
            done = f"{generation}.{end}.{end}.{select}.{folder.id}"
            body["@odata.deltaLink"] = self._link(path, f"$deltatoken={done}")
        return Answer("D4", 200, body)

    def _change(self, folder: Folder, id_: str, told: bool, select: str) -> dict[str, Any] | None:
        message = folder.messages.get(id_)
        if message:
            shown = _properties(folder, message)
            names = {"id", *select.split(",")} if select else set(shown)
            return {"@odata.etag": 'W/"1"'} | {name: shown[name] for name in shown if name in names}
        return {"id": id_, "@removed": {"reason": "deleted"}} if told else None

    def _message(self, mailbox: Mailbox, id_: str, asked: Query) -> Answer:
        if asked.route.name == "deletion" and self.deletes != 204:
            raise without_deletion(self.deletes)
        if not id_.startswith("AAkALg"):
            raise failed("R3", 400, "ErrorInvalidIdMalformed", "Id is malformed.")
        folder = next((one for one in mailbox.folders.values() if id_ in one.messages), None)
        if folder is None:
            raise failed("R9", 404, "ErrorItemNotFound")
        message = folder.messages[id_]
        match asked.route.name:
            case "deletion":
                self.asked["delete"] += 1
                mailbox.remove(id_)
                return Answer("D6", 204)
            case "value":
                self.asked["value"] += 1
                self.on_message(self.asked["value"])
                return self._value(message)
        self.asked["look"] += 1
        return Answer("D8", 200, _selected(_properties(folder, message), asked))

    def _value(self, message: Message) -> Answer:
        if message.broken:
            raise wished(500, message.broken)
        message.reads += 1
        raw = message.raw
        if self.regenerate:
            raw = regenerated(raw, ENCODINGS[message.reads % len(ENCODINGS)])
        return Answer("D8", 200, raw)


def _properties(folder: Folder, message: Message) -> dict[str, Any]:
    """A message's properties, as far as the double has them (D8)."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(message.received))
    return {"id": message.id, "receivedDateTime": stamp, "parentFolderId": folder.id}


def _selected(properties: dict[str, Any], asked: Query) -> dict[str, Any]:
    """Only the properties that are asked for (D10)."""
    return {name: value for name, value in properties.items() if not asked.select or name in asked.select}


class _Slot:
    """One of the requests that a mailbox serves at a time."""

    def __init__(self, lock: threading.Lock, busy: Counter[str], peak: Counter[str], over: Counter[str],
                 name: str) -> None:  # fmt: skip
        self._lock, self._busy, self._peak, self._over, self._name = lock, busy, peak, over, name

    def __enter__(self) -> None:
        with self._lock:
            if self._busy[self._name] >= AT_ONCE:
                self._over[self._name] += 1
                raise throttled("1")
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

    def do_PATCH(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
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

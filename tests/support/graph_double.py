"""A double of Microsoft Graph's mail, spoken to over HTTPS on loopback.

It speaks the JSON that reading mailboxes needs: users, mailFolders and childFolders with @odata.nextLink,
well-known folders, messages/delta with tokens and @removed, `/$value`, permanentDelete, DELETE, `$batch`,
immutable ids where they are asked for. It checks tokens with `support.entra`, permissions, and the limit of
four requests at a time that Exchange Online has for a mailbox. It can throttle, expire tokens, answer slowly,
fail, forget its delta tokens, write MIME anew at each read and hold items that can't be written;
`support.proxy` before it cuts connections. It does not cover: OData beyond these requests ($filter, $expand,
$search, and what $select leaves out), the limit over ten minutes, requests of a batch that run beside each
other or depend on one another, delegated access, real MIME conversion, and HTTP/2.
"""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import ssl
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.entra import Entra
from support.regenerating import regenerated

AT_ONCE = 4
IMMUTABLE = 'IdType="ImmutableId"'
LANGUAGES: dict[str, tuple[str, ...]] = {
    "en": ("Inbox", "Sent Items", "Drafts", "Junk Email", "Deleted Items", "Archive", "Outbox"),
    "de": ("Posteingang", "Gesendete Elemente", "Entwürfe", "Junk-E-Mail", "Gelöschte Elemente", "Archiv",
           "Postausgang"),
    "fr": ("Boîte de réception", "Éléments envoyés", "Brouillons", "Courrier indésirable",
           "Éléments supprimés", "Archive", "Boîte d’envoi"),
    "ru": ("Входящие", "Отправленные", "Черновики", "Нежелательная почта", "Удаленные", "Архив", "Исходящие"),
    "ja": ("受信トレイ", "送信済みアイテム", "下書き", "迷惑メール", "削除済みアイテム", "アーカイブ",
           "送信トレイ"),
}  # fmt: skip
KNOWN = ("inbox", "sentitems", "drafts", "junkemail", "deleteditems", "archive", "outbox")
ENCODINGS = ("base64", "8bit", "quoted-printable")
PERMISSIONS = {"Mail.Read", "Mail.ReadWrite", "User.Read.All"}


@dataclass
class Folder:
    """A folder of a mailbox."""

    id: str
    name: str
    parent: str = ""
    hidden: bool = False
    search: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    changes: list[tuple[str, bool]] = field(default_factory=list)
    """What happened, in order: a message's id, and whether it was removed."""


@dataclass
class Message:
    """A message in a folder."""

    id: str
    raw: bytes
    received: float
    broken: str = ""
    """The code of the error that reading it gives."""
    reads: int = 0


class Mailbox:
    """A mailbox, filled and changed by the test."""

    def __init__(self, address: str, language: str = "en") -> None:
        self.address = address
        self.id = secrets.token_hex(8)
        self.folders: dict[str, Folder] = {}
        self.known: dict[str, str] = {}
        self.denied = False
        self.absent = False
        """Whether the user has no mailbox."""
        self.lock = threading.RLock()
        for known, name in zip(KNOWN, LANGUAGES[language], strict=True):
            self.known[known] = self.folder(name)

    def folder(self, *names: str, hidden: bool = False, search: bool = False) -> str:
        """The id of a folder, made with those above it where it is not there."""
        parent = ""
        for name in names:
            found = [one.id for one in self.folders.values() if (one.name, one.parent) == (name, parent)]
            parent = found[0] if found else self._made(name, parent)
        self.folders[parent].hidden |= hidden
        self.folders[parent].search |= search
        return parent

    def _made(self, name: str, parent: str) -> str:
        id_ = "AAMk" + base64.urlsafe_b64encode(secrets.token_bytes(24)).decode() + "AAA="
        self.folders[id_] = Folder(id_, name, parent)
        return id_

    def put(self, mails: Iterable[bytes], folder: str = "inbox", received: float | None = None) -> list[str]:
        """Deliver mails into a folder, by its id or well-known name; returns their ids."""
        target = self.folders[self.known.get(folder, folder)]
        ids = []
        with self.lock:
            for mail in mails:
                id_ = "AAkALg" + base64.urlsafe_b64encode(secrets.token_bytes(24)).decode() + "A=="
                target.messages[id_] = Message(id_, mail, time.time() if received is None else received)
                target.changes.append((id_, False))
                ids.append(id_)
        return ids

    def remove(self, id_: str) -> bool:
        """Remove a message for good; whether it was there."""
        with self.lock:
            for folder in self.folders.values():
                if folder.messages.pop(id_, None):
                    folder.changes.append((id_, True))
                    return True
        return False

    def move(self, id_: str, to: str) -> None:
        """Move a message to another folder; its id stays."""
        with self.lock:
            message = next(one.messages[id_] for one in self.folders.values() if id_ in one.messages)
            self.remove(id_)
            target = self.folders[self.known.get(to, to)]
            target.messages[id_] = message
            target.changes.append((id_, False))

    def messages(self) -> list[Message]:
        """Every message that is there."""
        return [message for folder in self.folders.values() for message in folder.messages.values()]

    def message(self, id_: str) -> Message:
        """A message by its id."""
        return next(message for message in self.messages() if message.id == id_)


class Answer(Exception):
    """An answer that ends the work on a request."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


def failed(status: int, code: str, **headers: str) -> Answer:
    """An error as Graph writes it."""
    return Answer(status, {"error": {"code": code, "message": f"The words for {code}."}}, **headers)


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
        """Good weather, no mailboxes, nothing counted yet."""
        self.roles = set(PERMISSIONS)
        self.mailboxes: dict[str, Mailbox] = {}
        self.page = 500
        """Entries that a list's part has at most."""
        self.replay = False
        """Whether each part of a delta query begins with the last entry of the one before."""
        self.slow = 0.0
        """Seconds that each request about a mailbox takes longer."""
        self.storm = 0
        """So many of the next requests about mailboxes are throttled."""
        self.retry_after = "1"
        self.trouble: list[tuple[str, int, str]] = []
        """What to answer once to a request whose path has this text in it: text, status, code."""
        self.generation = 0
        """Delta tokens of another one are stale."""
        self.asked: Counter[str] = Counter()
        """Requests by what they were for."""
        self.seen: list[str] = []
        """Tokens that were shown."""
        self.peak: Counter[str] = Counter()
        """The most requests that were served at a time, by mailbox."""
        self.over: Counter[str] = Counter()
        """Requests that were refused since there were too many at a time."""
        self.on_page: Callable[[], object] = lambda: None
        """Called before each part of a delta query is answered."""
        self.on_message: Callable[[int], object] = lambda count: None
        """Called before a message is answered, with the number of those that were asked for."""

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
        """Let no token be good that was shown so far."""
        self.entra.revoked.update(self.seen)

    # --- answering --------------------------------------------------------------------------

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
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
        if len(calls) > 20:
            return failed(400, "BadRequest")
        self.asked["batch"] += 1
        responses = []
        for call in calls:
            try:
                answer = self._single(call["method"], call["url"], call.get("headers", {}))
            except Answer as raised:
                answer = raised
            responses.append({"id": call["id"], "status": answer.status, "headers": answer.headers,
                              "body": answer.body})  # fmt: skip
        return Answer(200, {"responses": responses[::-1]})

    def _single(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        path, _, query = target.partition("?")
        options = dict(urllib.parse.parse_qsl(query))
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        if parts == ["users"]:
            return self._users(options)
        mailbox = self.mailboxes.get(parts[1])
        if mailbox is None:
            raise failed(404, "Request_ResourceNotFound")
        with self._slot(mailbox):
            self._weather(target)
            needed = {"Mail.ReadWrite"} if method != "GET" else {"Mail.Read", "Mail.ReadWrite"}
            if mailbox.denied or not needed & self.roles:
                raise failed(403, "ErrorAccessDenied")
            if mailbox.absent:
                raise failed(404, "MailboxNotEnabledForRESTAPI")
            if "messages" in parts and IMMUTABLE not in headers.get("Prefer", ""):
                raise failed(400, "NotImmutable")  # Graph would give ids that change as messages move
            return self._about(mailbox, method, parts[2:], options)

    def _slot(self, mailbox: Mailbox) -> _Slot:
        return _Slot(self._lock, self._busy, self.peak, self.over, mailbox.address)

    def _weather(self, target: str) -> None:
        """What goes wrong for no fault of the request's."""
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
        return self._part(values, "/users", options)

    def _part(self, values: list[dict[str, Any]], path: str, options: dict[str, str]) -> Answer:
        """A part of a list, with a link to the next."""
        skip = int(options.get("$skip", 0))
        top = min(int(options.get("$top", self.page)), self.page)
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
                return self._part(self._children(mailbox, ""), path, options)
            case ["mailFolders", name]:
                return Answer(200, self._shown(mailbox, self._folder(mailbox, name)))
            case ["mailFolders", name, "childFolders"]:
                return self._part(self._children(mailbox, self._folder(mailbox, name).id), path, options)
            case ["mailFolders", name, "messages", "delta"]:
                self.on_page()
                return self._delta(mailbox, self._folder(mailbox, name), path, options)
            case ["mailFolders", name, "messages", id_, *rest]:
                return self._message(mailbox, self._folder(mailbox, name), id_, method, rest)
        raise failed(400, "BadRequest")

    def _folder(self, mailbox: Mailbox, name: str) -> Folder:
        found = mailbox.folders.get(mailbox.known.get(name, name))
        if found is None:
            raise failed(404, "ErrorItemNotFound")
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
        """What changed since a token: of each message the last thing that happened to it.

        A token is the service's generation, where in the changes it began, and where it has come to.
        """
        self.asked["delta"] += 1
        token = options.get("$skiptoken") or options.get("$deltatoken") or f"{self.generation}.0.0"
        generation, since, at = (int(part) for part in token.split("."))
        if generation != self.generation:
            raise failed(410, "syncStateNotFound")
        with mailbox.lock:
            changes = folder.changes[at : at + self.page]
            behind = at + len(changes) < len(folder.changes)
            begin = max(at - 1, since) if self.replay else at
            latest = dict(folder.changes[begin : at + len(changes)])
            values = [self._change(folder, id_, since > 0) for id_ in latest]
        body: dict[str, Any] = {"value": [value for value in values if value]}
        end = at + len(changes)
        if behind:
            body["@odata.nextLink"] = self._link(path, f"$skiptoken={generation}.{since}.{end}")
        else:
            body["@odata.deltaLink"] = self._link(path, f"$deltatoken={generation}.{end}.{end}")
        return Answer(200, body)

    def _change(self, folder: Folder, id_: str, later: bool) -> dict[str, Any] | None:
        message = folder.messages.get(id_)
        if message:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(message.received))
            return {"@odata.etag": 'W/"1"', "id": id_, "receivedDateTime": stamp}
        return {"id": id_, "@removed": {"reason": "deleted"}} if later else None

    def _message(self, mailbox: Mailbox, folder: Folder, id_: str, method: str, rest: list[str]) -> Answer:
        message = folder.messages.get(id_)
        if message is None:
            raise failed(404, "ErrorItemNotFound")
        if method == "GET" and rest == ["$value"]:
            self.asked["value"] += 1
            self.on_message(self.asked["value"])
            return self._value(message)
        if (method, rest) in (("POST", ["permanentDelete"]), ("DELETE", [])):
            self.asked["delete"] += 1
            mailbox.remove(id_)
            return Answer(204)
        raise failed(400, "BadRequest")

    def _value(self, message: Message) -> Answer:
        if message.broken:
            raise failed(500, message.broken)
        message.reads += 1
        if not self.regenerate:
            return Answer(200, message.raw)
        return Answer(200, regenerated(message.raw, ENCODINGS[message.reads % len(ENCODINGS)]))


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
        """In the connection's own thread, so that no handshake holds up another connection."""
        try:
            with self._context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError:
            pass  # the client hung up


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

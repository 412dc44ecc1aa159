"""A client of the Graph double that uses nothing of Muniment and sends what a test gives it, by the wire."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from typing import Any

from support.graph_double import GraphDouble

PREFER = {"Prefer": 'IdType="ImmutableId"'}
JSON = {"Content-Type": "application/json"}
ANNA = "anna@example.com"


class Reply:
    """An answer by the wire."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.content = response.status, response.headers, response.read()

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        error = self.body["error"]
        assert {"date", "request-id", "client-request-id"} <= set(error["innerError"]), "D2"
        return str(error["code"])


class Client:
    """A client with Anna's mailbox, in whose Inbox is one message."""

    def __init__(self, double: GraphDouble) -> None:
        self.double = double
        self.box = double.mailbox(ANNA)
        (self.id,) = self.box.put([b"Subject: one\r\n\r\nText.\r\n"])
        self.inbox = self.box.known["inbox"]
        self.user = f"/users/{ANNA}"
        self._trust = ssl.create_default_context(cafile=str(double.entra.certificates.authority))
        self._wires: dict[int, http.client.HTTPSConnection] = {}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send a request below the version."""
        return self.send(method, f"/v1.0{path}", body, **headers)

    def send(self, method: str, target: str, body: Any = None, **headers: str) -> Reply:
        fields = {"Authorization": f"Bearer {self.double.entra.token('app')}"} | PREFER | headers
        sent = b"" if body is None else json.dumps(body).encode()
        wire = self._wire()
        wire.request(method, self.filled(target), sent, fields)
        return Reply(wire.getresponse())

    def _wire(self) -> http.client.HTTPSConnection:
        """This thread's connection."""
        return self._wires.setdefault(
            threading.get_ident(),
            http.client.HTTPSConnection("localhost", self.double.port, timeout=30, context=self._trust),
        )

    def close(self) -> None:
        """Close all connections."""
        for wire in self._wires.values():
            wire.close()

    def filled(self, text: str) -> str:
        return text.format(user=self.user, id=self.id, inbox=self.inbox)

    def batch(self, *calls: dict[str, Any], **more: Any) -> Reply:
        """Send requests in one batch, each with the header for immutable ids unless it has others."""
        sent = [
            {"id": str(number), "method": "GET"} | call | {"url": self.filled(call["url"])}
            for number, call in enumerate(calls)
        ]
        for call in sent:
            call["headers"] = PREFER | call.get("headers", {})
        return self("POST", "/$batch", {"requests": sent} | more, **JSON)

    def next(self, reply: Reply) -> Reply:
        """Follow the link to the next page, or that for later changes."""
        body = reply.body
        link = body.get("@odata.nextLink") or body["@odata.deltaLink"]
        return self("GET", link.partition("/v1.0")[2])

    @property
    def source(self) -> str:
        """The source of the last answer."""
        return self.double.given[-1][0]

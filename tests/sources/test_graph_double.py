"""The double of Graph answers as documented by Microsoft or reported by people, and refuses the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support import graph_double
from support.graph_double import AT_ONCE, Answer, GraphDouble, Sick
from support.graph_sources import SOURCES

PREFER = {"Prefer": 'IdType="ImmutableId"'}
POST = {"Content-Type": "application/json"}
ANNA = "anna@example.com"


class Asked:
    """A client that uses nothing of Muniment and sends what a test gives it."""

    def __init__(self, double: GraphDouble) -> None:
        self.double = double
        self.box = double.mailbox(ANNA)
        (self.id,) = self.box.put([b"Subject: one\r\n\r\nText.\r\n"])
        self.inbox = self.box.known["inbox"]
        self.user = f"/users/{ANNA}"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        token = {"Authorization": f"Bearer {self.double.entra.token('app')}"}
        path = path.format(user=self.user, id=self.id, inbox=self.inbox)
        sent = b"" if body is None else json.dumps(body).encode()
        return self.double.answer(method, f"/v1.0{path}", token | PREFER | headers, sent)

    def batch(self, *calls: dict[str, Any]) -> Answer:
        """Send requests in one batch, each with the header for immutable ids."""
        for number, call in enumerate(calls):
            call.setdefault("id", str(number))
            call["url"] = call["url"].format(user=self.user, id=self.id, inbox=self.inbox)
            call["headers"] = PREFER | call.get("headers", {})
        return self("POST", "/$batch", {"requests": list(calls)})


@pytest.fixture
def asked(graph: GraphDouble) -> Asked:
    return Asked(graph)


def code(answer: Answer) -> str:
    found = answer.body["error"]["code"]
    assert isinstance(found, str)
    assert {"date", "request-id", "client-request-id"} <= set(answer.body["error"]["innerError"]), "D2"
    return found


DELETION = {"method": "POST", "url": "{user}/messages/{id}/permanentDelete"}
SINGLE = [
    ("D8", "GET", "{user}/messages/{id}/$value", 200, ""),
    ("R1", "GET", "{user}/mailFolders/{inbox}/messages/{id}/$value", 405, "ErrorInvalidRequest"),
    ("R3", "GET", "{user}/messages/AAAA", 400, "ErrorInvalidIdMalformed"),
    ("R3", "POST", "{user}/messages/AAAA/permanentDelete", 400, "ErrorInvalidIdMalformed"),
    ("R4", "GET", "{user}/nothing", 400, "BadRequest"),
    ("R7", "GET", "/users/nobody@example.com/mailFolders", 404, "Request_ResourceNotFound"),
    ("R9", "GET", "{user}/messages/AAkALgnone", 404, "ErrorItemNotFound"),
    ("R9", "GET", "{user}/mailFolders/none", 404, "ErrorItemNotFound"),
    ("D6", "POST", "{user}/messages/{id}/permanentDelete", 204, ""),
    ("unknown", "GET", "{user}/mailFolders/{inbox}/messages/{id}", 501, "UnknownToTheDouble"),
    (
        "unknown",
        "POST",
        "{user}/mailFolders/{inbox}/messages/{id}/permanentDelete",
        501,
        "UnknownToTheDouble",
    ),
    ("unknown", "DELETE", "{user}/messages/{id}", 501, "UnknownToTheDouble"),
]


@pytest.mark.parametrize(("source", "method", "path", "status", "error"), SINGLE)
def test_requests(asked: Asked, source: str, method: str, path: str, status: int, error: str) -> None:
    assert source in SOURCES or source == "unknown"
    answer = asked(method, path)
    assert (answer.status, code(answer) if error else "") == (status, error)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, 400),
        ({"body": {}}, 400),
        ({"headers": POST}, 400),
        ({"body": {}, "headers": POST}, 200),
    ],
)
def test_a_write_in_a_batch_needs_a_body_and_a_type(asked: Asked, more: dict[str, Any], status: int) -> None:
    """D1, R2: the whole batch is refused, including its reading requests."""
    answer = asked.batch(DELETION | more, {"method": "GET", "url": "{user}/messages/{id}"})
    assert answer.status == status
    if status == 400:
        assert "does not contain Content-Type header or body" in answer.body["error"]["message"]
        assert asked.box.messages() != []
    else:
        assert [one["status"] for one in answer.body["responses"]] == [404, 204], "D1: in another order"


def test_a_batch_has_twenty_requests_and_ids_of_their_own(asked: Asked) -> None:
    """D1."""
    look = {"method": "GET", "url": "{user}/messages/{id}"}
    assert asked.batch(*(dict(look) for _ in range(20))).status == 200
    assert asked.batch(*(dict(look) for _ in range(21))).status == 400
    assert asked.batch(look | {"id": "a"}, look | {"id": "A"}).status == 400


def test_each_request_of_a_batch_has_its_own_answer(asked: Asked, graph: GraphDouble) -> None:
    """D1, D3: refusals and throttling are in the parts, and the batch itself has status 200."""
    graph.limit = 2
    urls = ("{user}/messages/{id}", "{user}/messages/AAAA", "{user}/messages/{id}")
    answer = asked.batch(*({"method": "GET", "url": url} for url in urls))
    parts = {one["id"]: one for one in answer.body["responses"]}
    assert [parts[n]["status"] for n in "012"] == [200, 400, 429]
    assert int(parts["2"]["headers"]["Retry-After"]) > 0


def test_a_mailbox_serves_ten_thousand_requests_in_ten_minutes(asked: Asked, graph: GraphDouble) -> None:
    """D3: the limit is for one mailbox; another mailbox has its own."""
    now = 0.0
    graph.clock, graph.limit = lambda: now, 3
    assert [asked("GET", "{user}/messages/{id}").status for _ in range(4)] == [200, 200, 200, 429]
    graph.mailbox("bob@example.com")
    assert asked("GET", "/users/bob@example.com/mailFolders/inbox").status == 200
    refused = asked("GET", "{user}/messages/{id}")
    assert refused.headers["Retry-After"] == "601"
    now = 601.0
    assert asked("GET", "{user}/messages/{id}").status == 200
    assert (GraphDouble.__init__.__defaults__, AT_ONCE) == ((False,), 4)


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [(405, 405, "Request_BadRequest"), (400, 400, "BadRequest"), (404, 404, "ResourceNotFound"),
     ("404 item", 404, "ErrorItemNotFound")],
)  # fmt: skip
def test_a_cloud_without_permanent_delete_deletes_nothing(
    asked: Asked, graph: GraphDouble, kind: int | str, status: int, error: str
) -> None:
    """D6 says that there are such clouds. How they answer is unknown, so each of these is tested."""
    graph.deletes = kind
    answer = asked("POST", "{user}/messages/{id}/permanentDelete")
    assert (answer.status, code(answer), len(asked.box.messages())) == (status, error, 1)


def test_delta_queries(asked: Asked, graph: GraphDouble) -> None:
    """D4, R6."""
    first = "{user}/mailFolders/{inbox}/messages/delta?$select=receivedDateTime,parentFolderId"
    answer = asked("GET", first)
    (entry,) = answer.body["value"]
    assert entry["parentFolderId"] == asked.inbox
    link = answer.body["@odata.deltaLink"].partition("/v1.0")[2]
    assert asked("GET", link).body["value"] == []
    asked.box.remove(asked.id)
    (entry,) = asked("GET", link).body["value"]
    assert "@removed" in entry
    assert asked("GET", first).body["value"] == []
    graph.strays = True
    answer = asked("GET", first)
    while not answer.body["value"]:
        answer = asked("GET", answer.body["@odata.nextLink"].partition("/v1.0")[2])
    assert "@removed" in answer.body["value"][0], "the initial query can list it as well"
    assert code(asked("GET", f"{link}&$select=id")) == "BadRequest"
    graph.generation += 1
    answer = asked("GET", link)
    assert (answer.status, code(answer)) == (410, "SyncStateNotFound")
    assert answer.headers["Location"].endswith("/messages/delta?$deltatoken=")


def test_immutable_ids_must_be_asked_for(asked: Asked) -> None:
    """D5: a moved message keeps its id; without the header its id would change."""
    asked.box.move(asked.id, "archive")
    answer = asked("GET", "{user}/messages/{id}?$select=parentFolderId")
    assert answer.body == {"id": asked.id, "parentFolderId": asked.box.known["archive"]}
    assert code(asked("GET", "{user}/messages/{id}", Prefer="")) == "UnknownToTheDouble"


def test_folders(asked: Asked) -> None:
    """D7, R8: ten on a page, without hidden ones; search folders are marked."""
    for n in range(4):
        asked.box.folder(f"More {n}")
    asked.box.folder("Secret", hidden=True)
    asked.box.folder("Unread", search=True)
    answer = asked("GET", "{user}/mailFolders")
    assert len(answer.body["value"]) == 10
    rest = asked("GET", answer.body["@odata.nextLink"].partition("/v1.0")[2]).body["value"]
    names = [one["displayName"] for one in (*answer.body["value"], *rest)]
    assert len(names) == 12
    assert "Secret" not in names
    assert rest[-1]["@odata.type"].endswith("mailSearchFolder")


def test_errors_of_mailboxes(asked: Asked) -> None:
    """R5, D1 (an empty code), and a proxy's page."""
    asked.box.sick = Sick(503, "MailboxInfoStale")
    answer = asked("GET", "{user}/messages/{id}")
    assert (answer.status, code(answer), answer.headers) == (503, "MailboxInfoStale", {})
    asked.box.sick = Sick(403)
    assert code(asked("GET", "{user}/messages/{id}")) == ""
    asked.box.sick = Sick(403, html=True)
    assert asked("GET", "{user}/messages/{id}").body.startswith(b"<html>")


def test_an_invalid_token_is_refused(asked: Asked, graph: GraphDouble) -> None:
    """D9."""
    asked("GET", "{user}/messages/{id}")
    answer = graph.answer("GET", "/v1.0/users", {"Authorization": "Bearer none"}, b"")
    assert (answer.status, code(answer)) == (401, "InvalidAuthenticationToken")


def test_every_documented_source_is_used() -> None:
    text = Path(graph_double.__file__).read_text() + Path(__file__).read_text()
    named = set(re.findall(r"\b[DR]\d\b", text))
    assert named == set(SOURCES)

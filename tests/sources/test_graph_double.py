"""The double of Graph answers as documented by Microsoft or reported by people, and refuses the rest.

All requests go by the wire. `POINTS` at the end lists the points in which Graph differs from what a client
may expect, and the test of the double for each.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support import graph_answers, graph_double, graph_requests
from support.graph_answers import Answer
from support.graph_client import ANNA, JSON, PREFER, Client
from support.graph_double import AT_ONCE, GraphDouble, Sick
from support.graph_sources import MADE_UP, REPORTED, SOURCES, UNKNOWN

PAGE = re.compile(
    r"https://(learn\.microsoft\.com/en-us/graph/[a-z0-9/-]+|github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+)\Z"
)


@pytest.fixture
def asked(graph: GraphDouble) -> Iterator[Client]:
    client = Client(graph)
    yield client
    client.close()
    graph.unknown.clear()


# --- what is answered, and what is refused ---------------------------------------------------------


SINGLE = [
    ("D7", "GET", "{user}/mailFolders?$select=id", 200, ""),
    ("D7", "GET", "{user}/mailFolders/{inbox}/childFolders", 200, ""),
    ("D11", "GET", "{user}/mailFolders/inbox", 200, ""),
    ("D4", "GET", "{user}/mailFolders/{inbox}/messages/delta", 200, ""),
    ("D8", "GET", "{user}/messages/{id}", 200, ""),
    ("D8", "GET", "{user}/messages/{id}/$value", 200, ""),
    ("D9", "GET", "/users?$select=id,mail&$top=999", 200, ""),
    ("D6", "POST", "{user}/messages/{id}/permanentDelete", 204, ""),
    ("R1", "GET", "{user}/mailFolders/{inbox}/messages/{id}/$value", 405, "ErrorInvalidRequest"),
    ("R3", "GET", "{user}/messages/AAAA", 400, "ErrorInvalidIdMalformed"),
    ("R3", "POST", "{user}/messages/AAAA/permanentDelete", 400, "ErrorInvalidIdMalformed"),
    ("R9", "GET", "{user}/messages/AAkALgnone", 404, "ErrorItemNotFound"),
    ("R9", "GET", "{user}/mailFolders/AAMknone", 404, "ErrorItemNotFound"),
    ("R10", "GET", "{user}/messages/{id}?$select=id,isJunk", 400, "RequestBroker--ParseUri"),
    ("R10", "GET", "{user}/mailFolders/{inbox}/messages/delta?$select=@removed", 400,
     "RequestBroker--ParseUri"),
    ("R10", "GET", "{user}/mailFolders?$select=id,isRead", 400, "BadRequest"),
    ("R11", "GET", "/users/nobody@example.com/mailFolders", 404, "ErrorInvalidUser"),
]  # fmt: skip
STRANGE = [
    "DELETE {user}/mailFolders/inbox",
    "POST {user}/mailFolders",
    "PATCH {user}/mailFolders/inbox",
    "POST {user}/mailFolders/inbox/messages/delta",
    "DELETE {user}/messages/{id}",
    "PATCH {user}/messages/{id}",
    "PUT {user}/messages/{id}/$value",
    "GET {user}/messages/{id}/permanentDelete",
    "POST {user}/messages/{id}/move",
    "POST /users",
    "GET {user}",
    "GET /me/mailFolders",
    "GET /groups/anna@example.com/mailFolders/inbox",
    "GET /groups/anna@example.com/threads",
    "GET {user}/mailFolders/",
    "GET /{user}/mailFolders",
    "GET {user}/mailfolders",
    "GET {user}/mailFolders/archivemsgfolderroot",
    "GET {user}/messages",
    "GET {user}/mailFolders/{inbox}/messages",
    "GET {user}/mailFolders/{inbox}/messages/{id}",
    "POST {user}/mailFolders/{inbox}/messages/{id}/permanentDelete",
    "GET {user}/mailFolders?includeHiddenFolders=true",
    "GET {user}/mailFolders?$filter=totalItemCount+gt+0",
    "GET {user}/mailFolders?$expand=childFolders",
    "GET {user}/mailFolders?$count=true",
    "GET {user}/mailFolders?$top=0",
    "GET {user}/mailFolders?$top=all",
    "GET {user}/mailFolders?$select=",
    "GET {user}/mailFolders?$select=id,unreadItemCount",
    "GET {user}/mailFolders?$select=id&$select=displayName",
    "GET {user}/mailFolders/inbox?$top=1",
    "GET {user}/mailFolders/{inbox}/messages/delta?$filter=isRead+eq+false",
    "GET {user}/mailFolders/{inbox}/messages/delta?$top=5",
    "GET {user}/mailFolders/{inbox}/messages/delta?changeType=created",
    "GET {user}/mailFolders/{inbox}/messages/delta?$select=id,subject",
    "GET {user}/mailFolders/{inbox}/messages/delta?$deltatoken=latest",
    "GET {user}/mailFolders/{inbox}/messages/delta?$deltatoken=0.0.0..{inbox}&$select=id",
    "GET {user}/mailFolders/{inbox}/messages/delta?$deltatoken=0.0.0..AAMkother",
    "GET {user}/messages/{id}?$select=id,subject",
    "GET {user}/messages/{id}?$expand=attachments",
    "GET {user}/messages/{id}/$value?$select=id",
    "GET /users?$filter=accountEnabled+eq+true",
    "GET /users?$skip=1",
    "GET /users?$select=id,mail,displayName",
    "GET /users?$skiptoken=another",
    "GET /$batch",
]


@pytest.mark.parametrize(("source", "method", "path", "status", "error"), SINGLE)
def test_requests(asked: Client, source: str, method: str, path: str, status: int, error: str) -> None:
    reply = asked(method, path)
    assert (reply.status, reply.code if error else "", asked.source) == (status, error, source)


@pytest.mark.parametrize("request_line", STRANGE)
def test_what_is_unknown_is_refused(asked: Client, request_line: str) -> None:
    """Even where the real service grants it: our code may not rely on an answer that nobody checked."""
    method, _, path = request_line.partition(" ")
    reply = asked(method, path)
    assert (reply.status, reply.code, asked.source) == (501, "UnknownToTheDouble", UNKNOWN)
    assert len(asked.box.messages()) == 1
    assert asked.double.unknown != []


def test_the_version_is_part_of_the_path(asked: Client) -> None:
    """R16."""
    reply = asked.send("GET", "{user}/mailFolders")
    assert (reply.status, reply.code, asked.source) == (400, "BadRequest", "R16")
    assert asked.send("GET", "/beta{user}/mailFolders").code == "UnknownToTheDouble"


def test_only_known_header_fields_and_no_bodies(asked: Client) -> None:
    for refused in ('IdType="ImmutableId", outlook.body-content-type="text"', "", "odata.maxpagesize=5"):
        assert asked("GET", "{user}/messages/{id}", Prefer=refused).code == "UnknownToTheDouble"
    assert asked("POST", "{user}/messages/{id}/permanentDelete", {"a": 1}).code == "UnknownToTheDouble"
    assert len(asked.box.messages()) == 1


def test_only_selected_properties_are_shown(asked: Client) -> None:
    """D10; in a delta query also the id (D4)."""
    assert asked("GET", "{user}/mailFolders/inbox?$select=id").body == {"id": asked.inbox}
    assert list(asked("GET", "{user}/messages/{id}?$select=parentFolderId").body) == ["parentFolderId"]
    (entry,) = asked("GET", "{user}/mailFolders/inbox/messages/delta?$select=parentFolderId").body["value"]
    assert set(entry) == {"@odata.etag", "id", "parentFolderId"}
    assert {"id"} == set().union(*asked("GET", "/users?$select=id").body["value"])


# --- batches ---------------------------------------------------------------------------------------


DELETION = {"method": "POST", "url": "{user}/messages/{id}/permanentDelete"}
LOOK = {"url": "{user}/messages/{id}"}


@pytest.mark.parametrize(
    ("more", "status"),
    [({}, 400), ({"body": {}}, 400), ({"headers": JSON}, 400), ({"body": {}, "headers": JSON}, 200),
     ({"body": {}, "headers": {"content-type": "application/json"}}, 400)],
)  # fmt: skip
def test_a_write_in_a_batch_needs_a_body_and_a_type(asked: Client, more: dict[str, Any], status: int) -> None:
    """D1, R2: the whole batch is refused, including its reading requests."""
    reply = asked.batch(DELETION | more, dict(LOOK))
    assert reply.status == status
    if status == 400:
        assert "does not contain Content-Type header or body" in reply.body["error"]["message"]
        assert asked.source == "R2"
        assert asked.box.messages() != []
    else:
        assert [one["status"] for one in reply.body["responses"]] == [404, 204], "D1: in another order"
        assert list(asked.double.given)[-3:] == [("D6", 204), ("R9", 404), ("D1", 200)]


def test_a_batch_has_twenty_requests_and_ids_of_their_own(asked: Client) -> None:
    """D1."""
    assert asked.batch(*[LOOK] * 20).status == 200
    for malformed in ([LOOK] * 21, [LOOK | {"id": "a"}, LOOK | {"id": "A"}], [LOOK | {"id": None}]):
        assert (asked.batch(*malformed).status, asked.source) == (400, "D1")


@pytest.mark.parametrize(
    "strange",
    [
        {"dependsOn": ["1"]},
        {"atomicityGroup": "g"},
        {"body": {"a": 1}},
        {"headers": {"ConsistencyLevel": "eventual"}},
        {"url": "https://localhost/v1.0/users"},
        {"url": "users"},
    ],
)
def test_an_unknown_field_refuses_the_whole_batch(asked: Client, strange: dict[str, Any]) -> None:
    writes = DELETION | {"body": {}, "headers": JSON}
    assert asked.batch(writes, LOOK | strange).code == "UnknownToTheDouble"
    assert asked.box.messages() != []


def test_a_batch_is_json_with_requests_and_nothing_else(asked: Client) -> None:
    assert asked.batch().code == "UnknownToTheDouble"
    assert asked.batch(LOOK, dependsOn=[]).code == "UnknownToTheDouble"
    calls = {"requests": [{"id": "1", "method": "GET", "url": "/users"}]}
    assert asked("POST", "/$batch", calls).code == "UnknownToTheDouble", "no Content-Type"
    assert (asked("POST", "/$batch", [1], **JSON).status, asked.source) == (400, "D1")


@pytest.mark.parametrize(
    "strange",
    [
        {"url": "/v1.0{user}/messages/{id}"},
        {"url": "{user}/messages/{id}/$value"},
        {"url": "{user}/mailFolders?$filter=isHidden"},
        {"method": "DELETE", "url": "{user}/mailFolders/inbox", "body": {}, "headers": JSON},
    ],
)
def test_an_unknown_request_of_a_batch_is_refused(asked: Client, strange: dict[str, Any]) -> None:
    other, look = asked.batch(LOOK, strange).body["responses"]
    assert (look["status"], other["status"]) == (200, 501)
    assert other["body"]["error"]["code"] == "UnknownToTheDouble"


def test_each_request_of_a_batch_needs_the_header_for_immutable_ids(asked: Client) -> None:
    """D5: the header of the batch itself does not count."""
    without = LOOK | {"headers": {"Prefer": "odata.maxpagesize=5"}}
    refused, fine = asked.batch(LOOK, without).body["responses"]
    assert (fine["status"], refused["status"]) == (200, 501)


def test_each_request_of_a_batch_has_its_own_answer(asked: Client, graph: GraphDouble) -> None:
    """D1, D3: refusals and throttling are in the parts, and the batch itself has status 200."""
    graph.limit = 2
    reply = asked.batch(LOOK, {"url": "{user}/messages/AAAA"}, LOOK)
    parts = {one["id"]: one for one in reply.body["responses"]}
    assert [parts[n]["status"] for n in "012"] == [200, 400, 429]
    assert int(parts["2"]["headers"]["Retry-After"]) > 0


def test_a_list_in_a_batch_has_a_link_to_its_next_page(asked: Client) -> None:
    """D1, D7."""
    for number in range(12):
        asked.box.folder("Inbox", f"Below {number}")
    (part,) = asked.batch({"url": "{user}/mailFolders/{inbox}/childFolders"}).body["responses"]
    assert len(part["body"]["value"]) == 10
    link = part["body"]["@odata.nextLink"]
    assert len(asked("GET", link.partition("/v1.0")[2]).body["value"]) == 2


# --- limits ----------------------------------------------------------------------------------------


def test_a_mailbox_serves_ten_thousand_requests_in_ten_minutes(asked: Client, graph: GraphDouble) -> None:
    """D3: the limit is for one mailbox; another mailbox has its own."""
    assert (graph.limit, graph.window) == (10_000, 600)
    now = 0.0
    graph.clock, graph.limit = lambda: now, 3
    assert [asked("GET", "{user}/messages/{id}").status for _ in range(4)] == [200, 200, 200, 429]
    graph.mailbox("bob@example.com")
    assert asked("GET", "/users/bob@example.com/mailFolders/inbox").status == 200
    refused = asked("GET", "{user}/messages/{id}")
    assert (refused.code, asked.source) == ("ApplicationThrottled", "D3 R15")
    assert refused.headers["Retry-After"] == "601"
    now = 601.0
    assert asked("GET", "{user}/messages/{id}").status == 200


def test_a_mailbox_serves_four_requests_at_a_time(asked: Client, graph: GraphDouble) -> None:
    """D3: the fifth is refused, while another mailbox is served."""
    assert AT_ONCE == 4
    inside, leave = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        inside.release()
        leave.wait(30)

    graph.on_page = wait
    path = "{user}/mailFolders/inbox/messages/delta"
    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(asked, "GET", path) for _ in range(4)]
        assert all(inside.acquire(timeout=30) for _ in range(4))
        fifth = asked("GET", "{user}/messages/{id}")
        bob = graph.mailbox("bob@example.com")
        other = asked("GET", f"/users/{bob.address}/mailFolders/inbox")
        leave.set()
        assert [one.result().status for one in running] == [200] * 4
    assert (fifth.status, fifth.code, fifth.headers["Retry-After"]) == (429, "ApplicationThrottled", "1")
    assert other.status == 200
    assert (graph.peak[ANNA], graph.over[ANNA]) == (4, 1)
    assert asked("GET", "{user}/messages/{id}").status == 200


def test_a_busy_service_names_a_time_to_wait(asked: Client, graph: GraphDouble) -> None:
    """D3, R15."""
    graph.storm, graph.retry_after = 1, "17"
    reply = asked("GET", "{user}/messages/{id}")
    assert (reply.status, reply.headers["Retry-After"]) == (429, "17")
    assert asked("GET", "{user}/messages/{id}").status == 200


# --- mail ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "error", "source"),
    [(405, 405, "Request_BadRequest", "D1"), (400, 400, "BadRequest", "R4"),
     (404, 404, "ResourceNotFound", "R7"), ("404 item", 404, "ErrorItemNotFound", "R9")],
)  # fmt: skip
def test_a_cloud_without_permanent_delete_deletes_nothing(
    asked: Client, graph: GraphDouble, kind: int | str, status: int, error: str, source: str
) -> None:
    """D6 says that there are such clouds. How they answer is unknown, so each of these is tested."""
    graph.deletes = kind
    reply = asked("POST", "{user}/messages/{id}/permanentDelete")
    assert (reply.status, reply.code, asked.source) == (status, error, source)
    assert len(asked.box.messages()) == 1


DELTA = "{user}/mailFolders/{inbox}/messages/delta"


def test_delta_queries(asked: Client, graph: GraphDouble) -> None:
    """D4, R6."""
    first = asked("GET", f"{DELTA}?$select=receivedDateTime,parentFolderId")
    (entry,) = first.body["value"]
    assert entry["parentFolderId"] == asked.inbox
    assert asked.next(first).body["value"] == []
    asked.box.remove(asked.id)
    (entry,) = asked.next(first).body["value"]
    assert "@removed" in entry
    assert asked("GET", DELTA).body["value"] == []
    graph.generation += 1
    reply = asked.next(first)
    assert (reply.status, reply.code, asked.source) == (410, "SyncStateNotFound", "D4 R6")
    again = reply.headers["Location"].partition("/v1.0")[2]
    assert again.endswith("/messages/delta?$deltatoken=")
    assert asked("GET", again).status == 200


def test_a_first_delta_query_can_list_removed_messages_and_have_empty_pages(
    asked: Client, graph: GraphDouble
) -> None:
    """D4."""
    asked.box.remove(asked.id)
    graph.strays = True
    replies = [asked("GET", DELTA).body for _ in range(60)]  # each is empty by chance
    empty = [one for one in replies if not one["value"]]
    full = [one for one in replies if one["value"]]
    assert all("@odata.nextLink" in one for one in empty)
    assert empty
    assert full
    assert "@removed" in full[0]["value"][0]


def test_a_delta_query_can_repeat_messages(asked: Client, graph: GraphDouble) -> None:
    """D4."""
    ids = [asked.id, *asked.box.put([b"Subject: %d\r\n\r\n" % n for n in range(3)])]
    graph.page, graph.replay = 2, True
    second = asked.next(first := asked("GET", DELTA))
    assert [one["id"] for one in first.body["value"]] == ids[:2]
    assert [one["id"] for one in second.body["value"]] == ids[1:], "its first one is a repeat"


def test_the_page_size_of_a_delta_query_can_be_asked_for(asked: Client) -> None:
    """D4."""
    asked.box.put([b"Subject: two\r\n\r\n"])
    reply = asked("GET", DELTA, Prefer=f"{PREFER['Prefer']}, odata.maxpagesize=1")
    assert len(reply.body["value"]) == 1
    assert "@odata.nextLink" in reply.body


def test_a_link_needs_the_header_for_immutable_ids(asked: Client) -> None:
    """D5: the header counts for one request only, so lists and links need it as well."""
    assert asked("GET", DELTA, Prefer="").code == "UnknownToTheDouble"
    link = asked("GET", DELTA).body["@odata.deltaLink"].partition("/v1.0")[2]
    assert asked("GET", link).status == 200
    assert asked("GET", link, Prefer="").code == "UnknownToTheDouble"


def test_a_moved_message_keeps_its_immutable_id(asked: Client) -> None:
    """D5."""
    asked.box.move(asked.id, "archive")
    reply = asked("GET", "{user}/messages/{id}?$select=id,parentFolderId")
    assert reply.body == {"id": asked.id, "parentFolderId": asked.box.known["archive"]}


def test_folders(asked: Client) -> None:
    """D7: ten on a page, without hidden ones; search folders are marked."""
    for n in range(4):
        asked.box.folder(f"More {n}")
    asked.box.folder("Secret", hidden=True)
    asked.box.folder("Unread", search=True)
    first = asked("GET", "{user}/mailFolders")
    assert len(first.body["value"]) == 10
    rest = asked.next(first).body["value"]
    names = [one["displayName"] for one in (*first.body["value"], *rest)]
    assert len(names) == 12
    assert "Secret" not in names
    assert rest[-1]["@odata.type"].endswith("mailSearchFolder")
    assert len(asked("GET", "{user}/mailFolders?$top=12").body["value"]) == 12


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "source"),
    [(503, "MailboxInfoStale", "R5"), (403, "", "D1"), (403, "ErrorAccessDenied", "R12"),
     (504, "UnknownError", "R18"), (500, "ErrorInternalServerError", MADE_UP),
     (409, "ErrorMailboxBlocked", MADE_UP), (400, "ErrorFolderCorrupt", MADE_UP)],
)  # fmt: skip
def test_one_mailbox_or_folder_is_in_trouble(asked: Client, status: int, error: str, source: str) -> None:
    """D1 (an empty code): another mailbox and another folder are not."""
    bob = asked.double.mailbox("bob@example.com")
    for sick in (asked.box, asked.box.folders[asked.inbox]):
        sick.sick = Sick(status, error)
        reply = asked("GET", "{user}/mailFolders/inbox")
        assert (reply.status, reply.code, asked.source) == (status, error, source)
        assert "Retry-After" not in reply.headers
        assert asked("GET", f"/users/{bob.address}/mailFolders/inbox").status == 200
        sick.sick = None
    asked.box.folders[asked.inbox].sick = Sick(status, error)
    assert asked("GET", "{user}/mailFolders/archive").status == 200
    assert (status, error) in REPORTED or source == MADE_UP


def test_a_proxy_answers_with_a_page(asked: Client) -> None:
    asked.box.sick = Sick(403, html=True)
    answer = asked("GET", "{user}/messages/{id}").content
    assert (answer[:6], asked.source) == (b"<html>", MADE_UP)


def test_mime_of_one_message_can_fail(asked: Client) -> None:
    """R17: its properties are answered."""
    asked.box.message(asked.id).broken = "ErrorMimeContentConversionFailed"
    assert (asked("GET", "{user}/messages/{id}/$value").status, asked.source) == (500, "R17")
    assert asked("GET", "{user}/messages/{id}").status == 200


def test_permissions_logins_and_missing_mailboxes(asked: Client, graph: GraphDouble) -> None:
    """R8, R12 to R14."""
    reply = asked("GET", "/users", Authorization="Bearer none")
    assert (reply.status, reply.code, asked.source) == (401, "InvalidAuthenticationToken", "R13")
    asked.box.absent = True
    assert (asked("GET", "{user}/mailFolders").code, asked.source) == ("MailboxNotEnabledForRESTAPI", "R8")
    graph.roles = {"Mail.Read"}
    assert (asked("GET", "/users").code, asked.source) == ("Authorization_RequestDenied", "R14")
    asked.box.absent = False
    reply = asked("POST", "{user}/messages/{id}/permanentDelete")
    assert (reply.status, reply.code, asked.source) == (403, "ErrorAccessDenied", "R12")
    assert asked("GET", "{user}/messages/{id}").status == 200


# --- sources ---------------------------------------------------------------------------------------


def test_an_answer_needs_a_source_and_what_is_unknown_is_not_granted() -> None:
    for source in ("", "D99", "D1 R99"):
        with pytest.raises(ValueError, match="no source"):
            Answer(source, 200)
    with pytest.raises(ValueError, match="must be refused"):
        Answer(UNKNOWN, 200)
    assert Answer(UNKNOWN, 501).source == UNKNOWN


@pytest.mark.parametrize("letter", SOURCES)
def test_each_source_is_a_public_page_that_an_answer_names(letter: str) -> None:
    says, pages = SOURCES[letter]
    assert says
    assert pages
    assert all(PAGE.match(page) for page in pages)
    modules = (graph_double, graph_answers, graph_requests)
    named = " ".join(Path(str(module.__file__)).read_text() for module in modules)
    told = {letter for letters in REPORTED.values() for letter in letters.split()}
    assert letter in told or re.search(rf"\b{letter}\b", named)


POINTS: dict[str, Callable[..., None]] = {
    "MIME below a folder is answered 405": test_requests,
    "a write without a body refuses the whole batch": test_a_write_in_a_batch_needs_a_body_and_a_type,
    "some clouds have no permanentDelete": test_a_cloud_without_permanent_delete_deletes_nothing,
    "one mailbox is in trouble": test_one_mailbox_or_folder_is_in_trouble,
    "a moved message below its old folder": test_what_is_unknown_is_refused,
    "removed messages and empty pages at first":
        test_a_first_delta_query_can_list_removed_messages_and_have_empty_pages,
    "repeated messages": test_a_delta_query_can_repeat_messages,
    "410 with Location": test_delta_queries,
    "four requests at a time": test_a_mailbox_serves_four_requests_at_a_time,
    "ten thousand requests in ten minutes": test_a_mailbox_serves_ten_thousand_requests_in_ten_minutes,
    "Retry-After": test_a_busy_service_names_a_time_to_wait,
    "503 without Retry-After": test_one_mailbox_or_folder_is_in_trouble,
    "requests of a batch are throttled one by one": test_each_request_of_a_batch_has_its_own_answer,
    "innerError and an empty code": test_one_mailbox_or_folder_is_in_trouble,
    "a proxy's page": test_a_proxy_answers_with_a_page,
    "the header for immutable ids in lists and links": test_a_link_needs_the_header_for_immutable_ids,
    "the header for immutable ids in batches":
        test_each_request_of_a_batch_needs_the_header_for_immutable_ids,
    "hidden folders, search folders, ten on a page": test_folders,
    "links in batches": test_a_list_in_a_batch_has_a_link_to_its_next_page,
    "archive and group mailboxes are not reached": test_what_is_unknown_is_refused,
}  # fmt: skip

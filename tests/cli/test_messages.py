"""tree, list, search, show, export."""

import json
from pathlib import Path

import pytest

from muniment.api import (
    Chunk,
    Done,
    Export,
    Folder,
    GetTree,
    Hits,
    ListMessages,
    Message,
    ReadRaw,
    Request,
    Search,
    Show,
    Step,
    Tree,
    UserFolders,
)
from muniment.cli import messages
from muniment.cli.messages import split_place
from muniment.errors import UsageError
from muniment.service.operations.exports import producing
from muniment.system.formatting import name_of
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke
from support.words import SHA, hit, hostile_hit, message

TREE = Tree(
    users=(
        UserFolders(
            user="ada@quill.example",
            name="Ada",
            folders=(Folder(name="Inbox", count=1234), Folder(name="Sent", count=5)),
        ),
        UserFolders(user="catch-all", folders=(Folder(name="Inbox", count=1),)),
    )
)
PAGE = Hits(total=1203, behind=0, hits=(hit(), hit(id="ab" * 32, attachments=0)), after="1736186997.17")


def test_tree() -> None:
    out = invoke(EngineDouble({GetTree: TREE}), "tree").out
    assert out.splitlines() == [
        "ada@quill.example  (Ada)",
        "  Inbox                       1,234",
        "  Sent                            5",
        "catch-all",
        "  Inbox                           1",
    ]


def test_tree_in_json_is_the_contract() -> None:
    out = invoke(EngineDouble({GetTree: TREE}), "tree", "--json").out
    assert json.loads(out) == [
        {
            "user": "ada@quill.example",
            "folders": [{"name": "Inbox", "count": 1234}, {"name": "Sent", "count": 5}],
        },
        {"user": "catch-all", "folders": [{"name": "Inbox", "count": 1}]},
    ]


def test_an_empty_tree_says_what_to_do() -> None:
    assert "muniment run" in invoke(EngineDouble({GetTree: Tree(users=())}), "tree").out


def test_list_asks_for_a_page() -> None:
    double = EngineDouble({ListMessages: PAGE})
    invoke(double, "list", "ada@quill.example/Inbox", "--limit", "2", "--after", "x")
    assert double.asked == [ListMessages(user="ada@quill.example", folder="Inbox", limit=2, after="x")]


def test_list_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    long = hit(subject="s" * 300, sender="f" * 300)
    out = invoke(
        EngineDouble({ListMessages: Hits(total=2, behind=0, hits=(hit(), long))}),
        "list",
        "a/Inbox",
        terminal=True,
    ).out
    head, first, second, foot = out.splitlines()
    assert head.split() == ["ID", "Date", "From", "Subject"]
    assert first.startswith("3f7a91c20b44  2025-01-0")
    assert first.endswith("+2  Звіт про лінзу")
    assert len(second) <= 80
    assert "…" in second
    assert foot == "2 of 2 messages."


def test_list_shows_sizes_on_a_wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    out = invoke(EngineDouble({ListMessages: PAGE}), "list", "a/Inbox", terminal=True).out
    assert "12.3 kB" in out
    assert "bob@quill.example" in out


def test_list_names_the_next_page() -> None:
    out = invoke(EngineDouble({ListMessages: PAGE}), "list", "a/Inbox").out
    assert out.splitlines()[-1] == "2 of 1,203 messages. Next page: --after 1736186997.17"


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ('"Ada Quill" <ada@q.example>', "Ada Quill"),
        ("Ada <ada@q.example>", "Ada"),
        ("ada@q.example", "ada@q.example"),
        ("<ada@q.example>", "ada@q.example"),
        ("<ada@q.example", "ada@q.example"),
        ("<>", "<>"),
        ("", ""),
    ],
)
def test_senders_are_shown_by_name(sender: str, name: str) -> None:
    assert name_of(sender) == name


@pytest.mark.parametrize(
    ("argv", "request_kind"), [(["list", "a/Inbox"], ListMessages), (["search", "x"], Search)]
)
def test_pages_in_json_are_the_contract(argv: list[str], request_kind: type[Request]) -> None:
    one = {
        "id": SHA,
        "date": "2025-01-06T18:09:57Z",
        "from": "Ada Quill <ada@quill.example>",
        "to": "bob@quill.example",
        "subject": "Звіт про лінзу",
        "size": 12345,
        "attachments": 2,
        "folders": ["bob@quill.example/Inbox"],
        "files": [],
    }
    last = Hits(total=1, behind=3, hits=(hit(),))
    out = invoke(EngineDouble({request_kind: last}), *argv, "--json").out
    assert json.loads(out) == {"total": 1, "behind": 3, "waiting": 0, "hits": [one]}
    assert list(json.loads(out)["hits"][0]) == list(one)
    out = invoke(EngineDouble({request_kind: PAGE}), *argv, "--json").out
    assert json.loads(out)["after"] == "1736186997.17"


def test_search_passes_all_its_options_on() -> None:
    double = EngineDouble({Search: Hits(total=0, behind=7, hits=())})
    argv = ["--user", "ada@q.example", "--limit", "9", "--after", "k", "--by-relevance"]
    result = invoke(double, "search", "from:bob", "lens", *argv)
    assert double.asked == [
        Search(query="from:bob lens", user="ada@q.example", limit=9, after="k", by_relevance=True)
    ]
    assert result.out == "No messages (0 in all).\n"
    assert "7 messages are kept but not indexed yet" in result.err


def test_a_query_can_begin_with_a_minus() -> None:
    double = EngineDouble({Search: Hits(total=0, behind=0, hits=())})
    invoke(double, "search", "--", "-spam ham")
    assert double.asked == [Search(query="-spam ham")]


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("ada@q.example/Inbox", ("ada@q.example", "Inbox")),
        ("catch-all/Inbox", ("catch-all", "Inbox")),
        ("ada@q.example/INBOX/Old/2019", ("ada@q.example", "INBOX/Old/2019")),
        ("x/y@q.example/Sent", ("x/y@q.example", "Sent")),
    ],
)
def test_places(place: str, parts: tuple[str, ...]) -> None:
    assert split_place(place) == parts


@pytest.mark.parametrize("place", ["ada@q.example", "ada@q.example/", "/Inbox", "", "/"])
def test_places_without_a_folder(place: str) -> None:
    with pytest.raises(UsageError):
        split_place(place)


# --- show -----------------------------------------------------------------------------------------


def raw(*chunks: bytes) -> EngineDouble:
    return EngineDouble({ReadRaw: [Chunk(data=chunk) for chunk in chunks]})


def test_show() -> None:
    out = invoke(EngineDouble({Show: message()}), "show", SHA[:12]).out
    assert out.startswith(
        "From:       Ada <ada@quill.example>\nSubject:    Lens\n\nHello Bob,\n\nsee you.\n\n"
    )
    assert "Attachment  1. a.pdf (application/pdf, 2.5 kB)" in out
    assert "Note        unknown charset" in out
    assert "Folder      bob@quill.example/Inbox" in out
    assert "Report 1, 2025-01-0" in out
    assert "  bcc           bob@quill.example (by all@quill.example)" in out


def test_show_text() -> None:
    assert invoke(EngineDouble({Show: message()}), "show", SHA, "--text").out == "Hello Bob,\n\nsee you.\n"


def test_show_in_json() -> None:
    data = json.loads(invoke(EngineDouble({Show: message()}), "show", SHA, "--json").out)
    assert data["date"] == "2025-01-06T18:09:57Z"
    assert data["headers"][0] == {"name": "From", "value": "Ada <ada@quill.example>"}
    (envelope,) = data["envelopes"]
    assert envelope["parties"][1] == {
        "role": "bcc",
        "address": "bob@quill.example",
        "via": "all@quill.example",
    }
    data = json.loads(invoke(EngineDouble({Show: message()}), "show", SHA, "--text", "--json").out)
    assert data == {"id": SHA, "text": "Hello Bob,\n\nsee you.\n"}


EXACT = bytes(range(256)) + b"\r\n\r\nno line end"


def test_raw_is_the_exact_bytes() -> None:
    double = raw(EXACT[:100], EXACT[100:], b"")
    result = invoke(double, "show", SHA, "--raw")
    assert (result.code, result.raw, result.err) == (0, EXACT, "")
    assert double.asked == [ReadRaw(id=SHA, what="message")]


def test_report_is_the_exact_bytes() -> None:
    double = raw(EXACT)
    assert invoke(double, "show", SHA, "--report", "2").raw == EXACT
    assert double.asked == [ReadRaw(id=SHA, what="report", report=2)]


def test_raw_on_a_terminal_is_made_harmless() -> None:
    body = HOSTILE.encode()
    result = invoke(raw(body[:9], body[9:30], body[30:]), "show", SHA, "--raw", terminal=True)
    assert_shown_harmlessly(result.out)
    assert "> FILE" in result.err


def test_headers() -> None:
    double = raw(b"From: a@q.example\r\n", b"Subject: =?utf-8?q?x?=\r\n\r\n")
    assert invoke(double, "show", SHA, "--headers").out == "From: a@q.example\nSubject: =?utf-8?q?x?=\n"
    assert double.asked == [ReadRaw(id=SHA, what="headers")]
    data = json.loads(invoke(double, "show", SHA, "--headers", "--json").out)
    assert data["headers"].startswith("From: a@q.example\r\n")


@pytest.mark.parametrize(
    "argv",
    [
        ["--attachment", "1", "--json"],
        ["--attachment", "0"],
        ["--raw", "--text"],
        ["--raw", "--json"],
        ["--report", "1", "--json"],
        ["--report", "0"],
    ],
)
def test_show_refuses_options_that_do_not_go_together(argv: list[str]) -> None:
    assert invoke(EngineDouble(), "show", SHA, *argv).code == 2


# --- export ---------------------------------------------------------------------------------------


def test_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    double = EngineDouble({Export: [Step(text="1000 messages written"), Done(message="1200 exported.")]})
    result = invoke(double, "export", "lens", "--to", "out.zip", "--user", "ada@q.example")
    assert double.asked == [Export(query="lens", path=str(tmp_path / "out.zip"), user="ada@q.example")]
    assert (result.code, result.out) == (0, "1200 exported.\n")


def test_a_production_is_asked_for_by_its_form(tmp_path: Path) -> None:
    assert set(messages.FORMS) == set(producing.FORMS)
    target = str(tmp_path / "out.zip")
    for form in messages.FORMS:
        double = EngineDouble({Export: [Done(message="made")]})
        invoke(double, "export", "lens", "--form", form, "--bates", "ABC-", "--to", target)
        assert double.asked == [Export(query="lens", path=target, form=form, bates="ABC-")]
    refused = invoke(EngineDouble({}), "export", "lens", "--bates", "ABC-", "--to", target)
    assert (refused.code, "give --form" in refused.err) == (2, True)


def test_an_interrupted_export_says_what_is_left_of_it() -> None:
    result = invoke(EngineDouble({Export: [Step(text="1"), KeyboardInterrupt()]}), "export", "x", "--to", "o")
    assert result.code == 130
    assert "An incomplete export leaves nothing behind." in result.err


def test_export_names_each_failure() -> None:
    words = [Step(text="3f7a: unreadable", ok=False), Done(message="1 exported.")]
    result = invoke(EngineDouble({Export: words}), "export", "x", "--to", "o")
    assert (result.code, result.err) == (1, "muniment: 3f7a: unreadable\n")
    result = invoke(EngineDouble({Export: words}), "export", "x", "--to", "o", "--json")
    assert json.loads(result.out) == {
        "message": "1 exported.",
        "warnings": [],
        "failed": ["3f7a: unreadable"],
    }


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    "argv", [["tree"], ["list", "a/Inbox"], ["search", "x"], ["show", "x"], ["show", "x", "--text"]]
)
def test_hostile_mail_is_made_harmless(
    argv: list[str], terminal: bool, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "dumb")
    page = Hits(total=1, behind=0, hits=(hostile_hit(),), after=HOSTILE)
    hostile = Message(
        id=SHA,
        date=10**15,
        size=1,
        headers=(("Subject", HOSTILE), (HOSTILE, HOSTILE)),
        text=HOSTILE,
        attachments=(),
        envelopes=(),
        folders=(HOSTILE,),
        notes=(HOSTILE,),
    )
    tree = Tree(users=(UserFolders(user=HOSTILE, name=HOSTILE, folders=(Folder(name=HOSTILE, count=1),)),))
    double = EngineDouble({GetTree: tree, ListMessages: page, Search: page, Show: hostile})
    result = invoke(double, *argv, terminal=terminal)
    assert result.code == 0, result.err
    assert_shown_harmlessly(result.out)


def test_markup_in_a_subject_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    page = Hits(total=1, behind=0, hits=(hit(subject="[/x] [bold]a[a=b] :smile:"),))
    assert "[/x] [bold]a[a=b] :smile:" in invoke(EngineDouble({Search: page}), "search", "x").out

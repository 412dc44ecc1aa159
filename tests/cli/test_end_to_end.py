"""Every command on a real vault, from its arguments to the bytes that it prints."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.program import Program, fingerprint
from support.reports import EPOCH, fork, line, plain, report
from support.vaults import TestVault, put

RUN_KEYS = [
    "profile", "state", "listed", "fetched", "already", "skipped", "pending", "new", "merged", "quarantined",
    "left", "failed", "deleted", "bytes", "seconds", "balanced",
]  # fmt: skip
HIT_KEYS = ["id", "date", "from", "to", "subject", "size", "attachments", "folders", "files"]
BROKEN = b"X-MS-Journal-Report:\r\nX-Odd: \xff\x00\r\n\r\nbroken\r\n"
LETTERS = [
    plain(
        subject=f"Letter {n}",
        body=f"Number {n} of the series.\n",
        date=EPOCH + 60 * n,
        attachments=[("plan.pdf", b"%PDF-1.4 " + bytes(range(256)))] if n % 5 == 0 else [],
    )
    for n in range(25)
]
FORKED = plain(subject="Forked", body="To three.\n", to=["bob@example.com", "team@example.com"])
FORKS = [
    report(fork(FORKED, 1), recipients=["bob@example.com"]),
    report(fork(FORKED, 2), recipients=[line("To", "eve@example.com", expanded="team@example.com")]),
    report(fork(FORKED, 3), recipients=[line("Bcc", "mallory@example.com")]),
]
HTML = plain(subject="Grüße", to=["Bob <bob@example.com>"], body="Größere Mengen Käse\n")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestVault]:
    made = TestVault(tmp_path_factory.mktemp("end") / "vault")
    put(made.maildir("box"), [*map(report, LETTERS), *FORKS, report(HTML), BROKEN])
    run = made.run("box")
    assert (run.state, run.new, run.merged, run.quarantined) == ("ok", 27, 2, 1)
    yield made
    made.client.close()


@pytest.fixture(scope="module")
def program(vault: TestVault) -> Program:
    return Program(vault.folder)


def one(program: Program, query: str) -> dict[str, Any]:
    """The one message that a query finds."""
    (hit,) = program.ask("search", query)["hits"]
    assert isinstance(hit, dict)
    return hit


# --- from an empty folder -------------------------------------------------------------------------


def test_from_nothing_to_found_mail(tmp_path: Path) -> None:
    program = Program(tmp_path / "vault")
    mail = tmp_path / "mail"
    for name in ("new", "cur", "tmp"):
        (mail / name).mkdir(parents=True)
    put(mail / "new", [report(plain())])
    (tmp_path / "people.csv").write_text("name,address\nBob Ray,bob@example.com,b.ray@example.com\n")
    assert program.spawn("init", "--domain", "Example.COM", "--name", "Quill & Co").code == 0
    assert program.spawn("users", "import", str(tmp_path / "people.csv")).code == 0
    assert program.spawn("profile", "add", "in", "--source", "maildir", "--path", str(mail)).code == 0
    assert program.spawn("profile", "test", "in").out.splitlines()[-1] == "Profile in works."
    result = program.spawn("run", "in")
    assert result.code == 0
    assert result.out.splitlines()[1] == "  listed   1 = 1 fetched"
    assert result.out.splitlines()[-1] == "  The books balance."
    assert result.err == ""
    found = program.spawn("search", "--user", "b.ray@example.com", "table", "--json").json
    assert [hit["subject"] for hit in found["hits"]] == ["Plan for Monday"]
    assert (tmp_path / "vault").stat().st_mode & 0o777 == 0o700
    assert program.ask("status")["domains"] == ["example.com"]


def test_init_leaves_existing_files_alone(program: Program, tmp_path: Path) -> None:
    before = fingerprint(program.folder)
    assert "already" in program.refuses(4, "init", "--domain", "example.org")
    assert fingerprint(program.folder) == before
    (tmp_path / "notes.txt").write_text("mine")
    assert "not empty" in Program(tmp_path).refuses(4, "init")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# --- contracts of JSON ----------------------------------------------------------------------------


def test_tree_in_json(program: Program) -> None:
    assert program.ask("tree") == [
        {"user": "anna@example.com", "folders": [{"name": "Sent", "count": 27}]},
        {"user": "bob@example.com", "folders": [{"name": "Inbox", "count": 27}]},
        {"user": "eve@example.com", "folders": [{"name": "Inbox", "count": 1}]},
        {"user": "mallory@example.com", "folders": [{"name": "Inbox", "count": 1}]},
    ]


@pytest.mark.parametrize("words", [["list", "bob@example.com/Inbox"], ["search", "letter"]])
def test_pages_in_json(program: Program, words: list[str]) -> None:
    page = program.ask(*words, "--limit", "3")
    assert list(page) == ["total", "behind", "waiting", "hits", "after"]
    assert (page["behind"], len(page["hits"])) == (0, 3)
    newest = next(hit for hit in page["hits"] if hit["subject"] == "Letter 24")
    assert list(newest) == HIT_KEYS
    assert newest == {
        "id": hashlib.sha256(LETTERS[24]).hexdigest(),
        "date": "2023-11-14T22:37:20Z",
        "from": "Anna Berg <anna@example.com>",
        "to": "bob@example.com",
        "subject": "Letter 24",
        "size": len(LETTERS[24]),
        "attachments": 0,
        "folders": ["anna@example.com/Sent", "bob@example.com/Inbox"],
        "files": [],
    }
    whole = program.ask(*words, "--limit", "1000")
    assert list(whole) == ["total", "behind", "waiting", "hits"]
    assert len(whole["hits"]) == whole["total"]


def test_verify_in_json(program: Program) -> None:
    for words in (["verify"], ["verify", "--deep"]):
        proof = program.ask(*words)
        assert list(proof)[:6] == ["ok", "records", "messages", "tree_size", "root", "problems"]
        assert (proof["ok"], proof["messages"], proof["problems"]) == (True, 27, [])
        assert re.fullmatch("[0-9a-f]{64}", proof["root"])
        assert proof["tree_size"] in (proof["records"], proof["records"] - 1)


def test_run_in_json(program: Program) -> None:
    (summary,) = program("run", "box", "--json").lines
    assert list(summary) == RUN_KEYS
    assert (summary["listed"], summary["already"], summary["fetched"]) == (30, 30, 0)
    assert (summary["state"], summary["balanced"]) == ("ok", True)


def test_show_in_json(program: Program) -> None:
    shown = program.ask("show", one(program, "subject:forked")["id"])
    assert list(shown) == [
        "id", "date", "size", "headers", "text", "attachments", "envelopes", "folders", "notes",
        "holds", "judged", "signatures",
    ]  # fmt: skip
    assert {"name": "Subject", "value": "Forked"} in shown["headers"]
    assert shown["text"].strip() == "To three."
    assert [envelope["number"] for envelope in shown["envelopes"]] == [1, 2, 3]
    reached = {"role": "to", "address": "eve@example.com", "via": "team@example.com"}
    assert reached in shown["envelopes"][1]["parties"]
    assert shown["folders"] == [
        "anna@example.com/Sent",
        "bob@example.com/Inbox",
        "eve@example.com/Inbox",
        "mallory@example.com/Inbox",
    ]


def test_status_in_json(program: Program) -> None:
    status = program.ask("status")
    assert (status["messages"], status["envelopes"], status["quarantined"], status["behind"]) == (
        27,
        29,
        1,
        0,
    )
    assert status["vault"] == str(program.folder)
    (profile,) = [profile for profile in status["profiles"] if profile["name"] == "box"]
    assert profile["last"]["state"] == "ok"


def test_every_reading_command_prints_text_and_json_and_changes_nothing(program: Program) -> None:
    id_ = one(program, "subject:forked")["id"]
    before = fingerprint(program.folder)
    for words in (
        ["status"], ["tree"], ["list", "bob@example.com/Inbox"], ["search", "letter"], ["show", id_],
        ["show", id_, "--text"], ["show", id_, "--headers"], ["users", "list"],
        ["users", "show", "bob@example.com"], ["profile", "list"], ["profile", "show", "box"],
        ["quarantine", "list"], ["verify"], ["verify", "--deep"], ["completion", "bash"],
    ):  # fmt: skip
        assert program(*words).out.strip(), words
        program.ask(*words)
    assert fingerprint(program.folder) == before


# --- exact bytes ----------------------------------------------------------------------------------


def test_raw_is_the_exact_bytes_of_a_message(program: Program) -> None:
    for mail in (LETTERS[0], HTML):
        id_ = hashlib.sha256(mail).hexdigest()
        assert program("show", id_, "--raw").raw == mail
        assert program("show", id_[:8], "--raw").raw == mail
        assert program("show", id_.upper()[:12], "--raw").raw == mail
    assert program.spawn("show", hashlib.sha256(HTML).hexdigest(), "--raw").raw == HTML


def test_report_is_the_exact_bytes_of_each_report(program: Program) -> None:
    id_ = one(program, "subject:forked")["id"]
    assert [program("show", id_, "--report", str(n)).raw for n in (1, 2, 3)] == FORKS
    assert program("show", id_, "--raw").raw == fork(FORKED, 1)
    for number in ("4", "999999"):
        assert "3 reports" in program.refuses(10, "show", id_, "--report", number)
    assert program.say("show", id_, "--report", "0").code == 2


def test_headers_are_the_exact_headers(program: Program) -> None:
    head = LETTERS[0].partition(b"\r\n\r\n")[0].decode()
    id_ = hashlib.sha256(LETTERS[0]).hexdigest()
    assert program("show", id_, "--headers").out.replace("\r\n", "\n").strip() == head.replace("\r\n", "\n")
    assert program.ask("show", id_, "--headers")["headers"].rstrip() == head


def test_quarantine_returns_the_exact_bytes(program: Program) -> None:
    (item,) = program.ask("quarantine", "list")
    assert list(item) == ["id", "time", "size", "reason", "profile"]
    assert (item["id"], item["size"]) == (hashlib.sha256(BROKEN).hexdigest(), len(BROKEN))
    assert program("quarantine", "show", item["id"][:8], "--raw").raw == BROKEN
    assert item["reason"] in program("quarantine", "show", item["id"]).out
    result = program.say("quarantine", "retry", item["id"][:8])
    assert result.code == 1
    assert "0 of 1" in result.out
    assert program.ask("quarantine", "list") == [item]
    assert "no" in program.refuses(10, "quarantine", "retry", "00000000").lower()


# --- lists and searches ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["list", "bob@example.com/Inbox"], ["search", ""], ["search", "from:anna"]]
)
@pytest.mark.parametrize("limit", [1, 4, 26, 27, 28])
def test_pages_cover_everything_exactly_once(program: Program, words: list[str], limit: int) -> None:
    seen: list[str] = []
    after: list[str] = []
    while True:
        page = program.ask(*words, "--limit", str(limit), *after)
        assert page["total"] == 27
        seen += [hit["id"] for hit in page["hits"]]
        if "after" not in page:
            break
        assert len(page["hits"]) == limit
        after = ["--after", page["after"]]
    assert len(seen) == len(set(seen)) == 27
    dates = [hit["date"] for hit in program.ask(*words, "--limit", "100")["hits"]]
    assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize("words", [["list", "bob@example.com/Inbox"], ["search", "letter"]])
@pytest.mark.parametrize("place", ["nonsense", "-1", "1.2.3", "\x00", "9" * 40])
def test_an_invalid_page_place_is_handled(program: Program, words: list[str], place: str) -> None:
    result = program.say(*words, f"--after={place}")
    assert result.code in (0, 2, 11)
    assert "should not have happened" not in result.err


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("series", 25),
        ("has:attachment", 5),
        ('"number 7"', 1),
        ("letter -series", 0),
        ("subject:forked OR subject:grüße", 2),
        ("größere", 1),
        ("bcc:mallory@example.com", 1),
        ("user:eve@example.com", 1),
        ("filename:plan.pdf after:2023-11-01", 5),
        ("before:2020-01-01", 0),
        ("in:sent user:anna@example.com", 27),
    ],
)
def test_searches(program: Program, query: str, count: int) -> None:
    assert program.ask("search", "--", query)["total"] == count
    assert program.ask("search", "--by-relevance", "--", query)["total"] == count


def test_folder_names_ignore_case_and_unknown_ones_are_refused(program: Program) -> None:
    assert program.ask("list", "bob@example.com/inbox")["total"] == 27
    assert program.ask("list", "BOB@Example.com/INBOX")["total"] == 27
    assert program.ask("list", "bob@example.com/Sent")["total"] == 0
    assert "Inbox, Sent" in program.refuses(10, "list", "bob@example.com/Trash")


# --- people ---------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Program:
    """A vault for one test, with mail for bob, for an alias of bob, and for an address of another domain."""
    vault = TestVault(tmp_path / "vault")
    mails = [
        report(plain(subject=f"For {who}", to=[who]), recipients=[who], sender="out@elsewhere.example")
        for who in ("bob@example.com", "b.ray@example.com", "bob@home.example")
    ]
    put(vault.maildir("box"), mails)
    assert vault.run("box").new == 3
    vault.client.close()
    return Program(vault.folder)


def counts(program: Program) -> dict[str, int]:
    return {user["user"]: sum(f["count"] for f in user["folders"]) for user in program.ask("tree")}


def test_importing_users_files_old_mail_again(own: Program, tmp_path: Path) -> None:
    assert counts(own) == {"bob@example.com": 1, "b.ray@example.com": 1, "catch-all": 1}
    people = tmp_path / "people.csv"
    people.write_text('name,address,alias\n"Ray, Bob",bob@example.com,b.ray@example.com,bob@home.example\n')
    own("users", "import", str(people))
    assert counts(own) == {"bob@example.com": 3}
    for alias in ("bob@example.com", "b.ray@example.com", "Bob@Home.example"):
        assert own.ask("list", f"{alias}/Inbox")["total"] == 3
        assert own.ask("search", "for", "--user", alias)["total"] == 3
        assert own.ask("search", f"user:{alias}")["total"] == 3
        assert own.ask("users", "show", alias)["aliases"] == ["b.ray@example.com", "bob@home.example"]
    assert own.ask("search", "to:b.ray@example.com")["total"] == 1
    assert own("verify", "--deep").code == 0
    own("users", "import", str(people))
    assert counts(own) == {"bob@example.com": 3}
    own("users", "remove", "bob@example.com", "--alias", "bob@home.example")
    assert own.ask("search", "for", "--user", "bob@example.com")["total"] == 2
    own("rebuild")
    assert own.ask("search", "for", "--user", "b.ray@example.com")["total"] == 2


# --- runs -----------------------------------------------------------------------------------------


def test_profiles_run_by_name_or_all_enabled_ones(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    for name, count in (("one", 1), ("two", 2), ("three", 3)):
        put(vault.maildir(name), [report(plain(subject=f"{name} {n}")) for n in range(count)])
    program = Program(vault.folder)
    program("profile", "edit", "three", "--disabled")
    runs = program("run", "two", "one", "--json").lines
    assert [(run["profile"], run["new"]) for run in runs] == [("two", 2), ("one", 1)]
    runs = program("run", "--all", "--json").lines
    assert [(run["profile"], run["already"]) for run in runs] == [("one", 1), ("two", 2)]
    (run,) = program("run", "three", "--json").lines
    assert run["new"] == 3
    result = program.say("run", "one", "nosuch", "two", "--json")
    assert result.code == 10
    assert "'nosuch'" in result.err
    program("profile", "remove", "two")
    assert program.ask("status")["messages"] == 6
    vault.client.close()


def test_a_failed_profile_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.profile("bad", source="maildir", path=str(tmp_path / "nowhere"))
    put(vault.maildir("good"), [report(plain())])
    program = Program(vault.folder)
    result = program.say("run", "--all", "--json")
    assert result.code == 7
    assert [(run["profile"], run["state"]) for run in result.lines] == [("bad", "failed"), ("good", "ok")]
    assert result.lines[0]["error"] in result.err
    last = {profile["name"]: profile["last"] for profile in program.ask("status")["profiles"]}
    assert (last["bad"]["state"], last["good"]["state"]) == ("failed", "ok")
    assert last["bad"]["error"] == result.lines[0]["error"]
    for name in ("new", "cur", "tmp"):
        (tmp_path / "nowhere" / name).mkdir(parents=True)
    program("run", "bad")
    last = {profile["name"]: profile["last"] for profile in program.ask("status")["profiles"]}
    assert last["bad"]["state"] == "ok"
    vault.client.close()


# --- rebuild and verify ---------------------------------------------------------------------------


def test_rebuilding_gives_the_same_answers(own: Program) -> None:
    def answers() -> list[Any]:
        asked = (["tree"], ["search", ""], ["list", "bob@example.com/Inbox"], ["users", "list"], ["verify"])
        return [own.ask(*words) for words in asked]

    before = answers()
    for words in (["rebuild", "--index"], ["rebuild", "--catalog"], ["rebuild"]):
        own(*words)
        assert answers() == before
    for path in own.folder.glob("catalog.db*"):
        path.unlink()
    assert "muniment rebuild" in own.refuses(4, "tree")
    own("rebuild")
    assert answers() == before


@pytest.mark.parametrize("with_catalog", [True, False])
@pytest.mark.parametrize("deep", [[], ["--deep"]])
def test_a_flipped_byte_is_found_and_the_ledger_is_not_cut(
    own: Program, with_catalog: bool, deep: list[str]
) -> None:
    segment = own.folder / "ledger/000000000001.seg"
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0x40
    segment.write_bytes(data)
    if not with_catalog:
        for path in own.folder.glob("catalog.db*"):
            path.unlink()
    before = fingerprint(own.folder)
    result = own.say("verify", *deep, "--json")
    assert result.code == 6
    proof = result.json
    assert proof["ok"] is False
    assert any("segment 1, offset" in problem for problem in proof["problems"]), proof["problems"]
    assert any("must be rebuilt" in problem for problem in proof["problems"]) is not with_catalog
    assert "keep this vault as it is" in result.err
    for words in (["run", "box"], ["rebuild"], ["users", "add", "Eve", "eve@example.com"]):
        assert "damaged" in own.refuses(6, *words)
    assert segment.read_bytes() == data
    assert fingerprint(own.folder) == before


def test_a_ledger_that_is_shorter_than_it_was_is_an_alarm(own: Program) -> None:
    segment = own.folder / "ledger/000000000001.seg"
    whole = segment.read_bytes()
    segment.write_bytes(whole[: len(whole) // 2])
    result = own.say("verify", "--json")
    assert result.code == 6
    assert any("older one was restored" in problem for problem in result.json["problems"])
    before = fingerprint(own.folder)
    assert "restore a backup" in own.refuses(6, "run", "box")
    assert fingerprint(own.folder) == before
    segment.write_bytes(whole)
    assert own("verify", "--deep").code == 0

"""The Audit area on a double of the engine: filters, record, pages, CSV."""

from __future__ import annotations

import csv
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from muniment import api
from muniment.api import Audit, AuditEvent, GetAudit, ListUsers, Show, Users, UserWord
from muniment.errors import AccessRefused, NotFound, UsageError
from muniment_tui.audit.csv_file import AuditCsvFile
from muniment_tui.audit.filters import people_that_fit, span_of
from muniment_tui.audit.screen import EARLY, PAGE
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import LARGE, NOW, SMALL, app_of, app_on, drive, settled, shows, text_of, until
from support.words import message

WIDE = (200, 60)
USERS = Users(
    users=(
        UserWord(user="ada@example.com", name="Ada Quill", messages=12),
        UserWord(user="dora@example.com", name="Dora Boss", aliases=("director@example.com",), messages=340),
        UserWord(user="dorian@example.com", name="Dorian Gray", messages=7),
    )
)
ID = "ab12" * 16


def event(number: int, word: str = "Show", **fields: Any) -> AuditEvent:
    """An event `number` minutes before NOW."""
    own: dict[str, Any] = {"event": "read", "who": "audrey", "uid": 1004, "role": "auditor", "kind": "read"}
    common = {name: fields.pop(name) for name in AuditEvent.__struct_fields__ if name in fields}
    own |= {"sequence": 9000 - number, "time": NOW - 60 * number, "detail": fields} | common
    return AuditEvent(word=word, **own)


DORA = ("dora@example.com",)
EVENTS = (
    event(1, messages=[ID], people=DORA, reason="case 17"),
    *(event(2, "ListMessages", kind="list", people=DORA, user=DORA[0], folder="Inbox", sequence=8990 - n)
      for n in range(4)),
    event(5, "Search", kind="search", everybody=True, query="merger OR acquisition " * 12),
    event(9, "Export", kind="export", people=("ada@example.com", *DORA), total=1204, path="/srv/x.zip",
          messages=["cd34" * 16, ID]),
    event(30, "Show", event="refused", kind="refused", who="bob", uid=1007, role="user", id="77" * 6,
          refusal="not theirs", count=12),
    event(600, "PutProfile", event="changed", kind="change", who="ines", role="administrator",
          name="gateway"),
    event(4000, "vault.toml", event="login bound", kind="change", who="ines", role="administrator",
          login="bob", address="bob@example.com", people=("bob@example.com",)),
)  # fmt: skip


class Trail(EngineDouble):
    """An engine with a fixed trail. It records the requests, and finds nothing for unknown people."""

    def __init__(self, events: tuple[AuditEvent, ...] = EVENTS, problems: tuple[str, ...] = ()) -> None:
        super().__init__({ListUsers: USERS})
        self.events, self.problems = events, problems

    def call(self, request: api.Request) -> api.WireWord:
        if isinstance(request, Show):
            self.asked.append(request)
            return replace(message(), id=request.id)
        if not isinstance(request, GetAudit):
            return super().call(request)
        self.asked.append(request)
        if request.person and "@" not in request.person:
            raise NotFound(f"there is no user {request.person!r} (did you mean dora@example.com?)")
        left = [one for one in self.events if not request.after or one.sequence < request.after]
        fit = [one for one in left if self._fits(request, one)]
        page = tuple(fit[: request.limit])
        after = page[-1].sequence if len(fit) > len(page) else 0
        return Audit(events=page, after=after, before=0, problems=self.problems, now=request.now or NOW)

    @staticmethod
    def _fits(request: GetAudit, one: AuditEvent) -> bool:
        person = not request.person or one.everybody or request.person in one.people
        return person and (not request.kinds or one.kind in request.kinds)

    @property
    def wanted(self) -> GetAudit:
        """The newest request for the trail."""
        return next(one for one in reversed(self.asked) if isinstance(one, GetAudit))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "vault"


def keys(*pressed: str) -> Any:
    """A script that presses keys, each after the answer to the key before."""

    async def script(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for key in pressed:
            await pilot.press(key)
            await settled(pilot)

    return script


@pytest.mark.parametrize(
    ("name", "pressed", "make"),
    [
        ("audit", ["down"], Trail),
        ("audit-search", ["down", "down"], Trail),
        ("audit-filtered", ["slash", *"director", "enter", "t"], Trail),
        ("audit-nobody", ["slash", *"dox", "enter"], Trail),
        ("audit-typing", ["slash", *"dor"], Trail),
        ("audit-empty", [], lambda: Trail(())),
        ("audit-csv", ["x"], Trail),
        ("audit-refused", [], lambda: EngineDouble(
            {GetAudit: AccessRefused("a user may not do this: ask ines, who may"), ListUsers: USERS}
        )),
    ],
)  # fmt: skip
def test_pictures_of_the_trail(
    picture: Any, folder: Path, name: str, pressed: list[str], make: Callable[[], EngineDouble],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HOME", "/home")
    monkeypatch.setattr("time.localtime", lambda *_: __import__("time").gmtime(NOW))
    picture(name, lambda: app_on(make(), folder, area="audit"), keys(*pressed), (SMALL, LARGE, WIDE))


def test_who_read_the_directors_mail_last_week_takes_seven_keys(folder: Path) -> None:
    engine = Trail()
    pressed = ("6", "slash", *"dir", "enter", "t")

    async def script(pilot: Pilot[Any]) -> None:
        await keys(*pressed)(pilot)
        text = text_of(pilot.app)
        assert "mail of dora@example.com" in text
        assert "last 7 days" in text
        assert text.count("listed a folder") == 1  # four requests of one look
        assert "exported 1,204 messages" in text
        assert "changed a profile" not in text

    drive(app_on(engine, folder, area="setup"), script)
    assert len(pressed) == 7
    assert (engine.wanted.person, engine.wanted.since) == ("dora@example.com", "7d")


@pytest.mark.parametrize("answer", [USERS, AccessRefused("a user may not do this")], ids=["known", "refused"])
def test_a_person_typed_before_the_people_are_known_is_found(folder: Path, answer: Any) -> None:
    named = threading.Event()

    class Slow(Trail):
        def call(self, request: api.Request) -> api.WireWord:
            if isinstance(request, ListUsers):
                assert named.wait(30)
            return super().call(request)

    engine = Slow()
    engine.answers[ListUsers] = answer

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("6", "slash", *"dir", "enter", "t")
        assert not [one for one in engine.asked if isinstance(one, GetAudit) and one.person]
        named.set()
        wanted = "dora@example.com" if answer is USERS else "dir"
        await until(pilot, lambda: (engine.wanted.person, engine.wanted.since) == (wanted, "7d"))

    drive(app_on(engine, folder, area="setup"), script)


def test_kind_reader_words_and_days_are_filters(folder: Path) -> None:
    engine = Trail()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("s", "slash", "tab", *"audrey", "tab", *"case", "enter")(pilot)
        assert engine.wanted.kinds == ("read",)
        assert (engine.wanted.reader, engine.wanted.word) == ("audrey", "case")
        await keys("w", *"2026-01-02..2026-01", "enter")(pilot)
        assert (engine.wanted.since, engine.wanted.until) == ("2026-01-02", "2026-01")
        await keys("t")(pilot)
        assert (engine.wanted.since, engine.wanted.until) == ("7d", "")
        await keys("z")(pilot)
        assert engine.wanted == GetAudit(limit=PAGE, check=False, zone=engine.wanted.zone)

    drive(app_on(engine, folder, area="audit"), script)


def test_the_record_has_the_whole_query_and_every_request(folder: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await keys("down")(pilot)
        assert "4 requests that belong together" in text_of(pilot.app)
        await keys("down")(pilot)
        text = " ".join(text_of(pilot.app).split())
        assert text.count("acquisition") >= 12

    drive(app_on(Trail(), folder, area="audit"), script, LARGE)


def test_enter_opens_the_message_that_was_read(folder: Path) -> None:
    engine = Trail()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("enter")(pilot)
        await shows(pilot, "Hello Bob")
        assert [one.id for one in engine.asked if isinstance(one, Show)] == [ID]
        await keys("escape", "down", "down", "enter")(pilot)  # a search: its record
        assert "Record" in text_of(pilot.app)
        await keys("escape", "down", "enter", "n", "n")(pilot)
        assert [one.id for one in engine.asked if isinstance(one, Show)] == [ID, "cd34" * 16, ID]
        await shows(pilot, "This is the last message")

    drive(app_on(engine, folder, area="audit"), script)


def test_further_pages_come_while_scrolling_and_while_a_page_is_short(folder: Path) -> None:
    many = tuple(event(n, messages=[f"{n:064x}"], people=DORA) for n in range(3 * PAGE))
    engine = Trail(many)

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, f"{PAGE} events and more")
        await keys("end")(pilot)
        await until(pilot, lambda: "400 events and more" in text_of(pilot.app))

    drive(app_on(engine, folder, area="audit"), script)

    class Sparse(Trail):
        """A trail in which a search looks at many events and finds few."""

        def call(self, request: api.Request) -> api.WireWord:
            if not isinstance(request, GetAudit) or not request.kinds:
                return super().call(request)
            self.asked.append(request)
            return Audit(events=(event(request.after),), after=request.after + 1 if request.after < 5 else 0)

    sparse = Sparse()

    async def filtered(pilot: Pilot[Any]) -> None:
        await keys("s")(pilot)
        await shows(pilot, "6 events")

    drive(app_on(sparse, folder, area="audit"), filtered)
    assert EARLY > 6


def test_the_csv_has_every_event_that_the_filters_leave(folder: Path, tmp_path: Path) -> None:
    many = tuple(event(n, messages=[f"{n:064x}"], people=DORA) for n in range(2500))
    path = tmp_path / "out" / "trail.csv"

    async def script(pilot: Pilot[Any]) -> None:
        await keys("s", "x")(pilot)
        await pilot.press("ctrl+u")
        await pilot.press(*str(path), "enter")
        await shows(pilot, "2,500 events written")

    drive(app_on(Trail(many), folder, area="audit"), script, (200, 30))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["messages"] for row in rows] == [f"{n:064x}" for n in range(2500)]
    assert [one.name for one in path.parent.iterdir()] == ["trail.csv"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_days_are_the_same_for_all_pages_of_the_list_and_of_a_file(folder: Path, tmp_path: Path) -> None:
    engine = Trail(tuple(event(n, messages=[f"{n:064x}"], people=DORA) for n in range(1500)))

    async def script(pilot: Pilot[Any]) -> None:
        await keys("t", "end", "end", "x")(pilot)
        await pilot.press("ctrl+u", *str(tmp_path / "trail.csv"), "enter")
        await shows(pilot, "1,500 events written")

    drive(app_on(engine, folder, area="audit"), script)
    asked = [one for one in engine.asked if isinstance(one, GetAudit)]
    for limit in (PAGE, 1000):
        pages = [one for one in asked if one.limit == limit]
        assert len([one for one in pages if one.after]) >= 1
        assert all(one.now == (NOW if one.after else 0) for one in pages)


def test_a_csv_of_a_damaged_trail_says_so(folder: Path, tmp_path: Path) -> None:
    damage = "record 8,123 of the ledger is damaged"

    class Damaged(Trail):
        def call(self, request: api.Request) -> api.WireWord:
            word = super().call(request)
            late = isinstance(request, GetAudit) and request.limit != PAGE and request.after
            return replace(word, problems=(damage,)) if late else word

    engine = Damaged(tuple(event(n) for n in range(1500)))
    path = tmp_path / "trail.csv"

    async def script(pilot: Pilot[Any]) -> None:
        await keys("x")(pilot)
        await pilot.press("ctrl+u", *str(path), "enter")
        await shows(pilot, damage)
        told = [notice.text for notice in pilot.app.notices.kept]  # type: ignore[attr-defined]
        assert any("1,500 events written" in one and "has problems" in one for one in told)

    drive(app_on(engine, folder, area="audit"), script, LARGE)
    assert path.exists()
    asked = [one for one in engine.asked if isinstance(one, GetAudit) and one.limit != PAGE]
    assert [one.check for one in asked] == [True, False]


def test_a_csv_file_without_links_gets_its_name_and_replaces_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    for taken in (False, True):
        path = tmp_path / "trail.csv"
        file = AuditCsvFile(path)
        file.add(EVENTS)
        assert path.exists() is taken
        if taken:
            with pytest.raises(UsageError, match="it exists by now"):
                file.finish()
        else:
            file.finish()
    assert path.read_bytes().count(b"\r\n") == 1 + len(EVENTS)
    assert [one.name for one in tmp_path.iterdir()] == ["trail.csv"]


def test_a_csv_file_that_can_not_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    file = AuditCsvFile(tmp_path / "trail.csv")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        file.finish()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_while_the_app_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncing, go, sync = threading.Event(), threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        syncing.set()
        assert go.wait(60)
        sync(descriptor)

    path = tmp_path / "trail.csv"

    async def script(pilot: Pilot[Any]) -> None:
        await keys("x")(pilot)
        monkeypatch.setattr("os.fsync", slow)
        await pilot.press("ctrl+u", *str(path), "enter")
        await until(pilot, syncing.is_set)
        await pilot.press("colon")
        await shows(pilot, "the name of an action")
        await pilot.press("escape")
        go.set()
        await until(pilot, path.exists)

    drive(app_on(Trail(), folder, area="audit"), script)


def test_a_file_that_is_stopped_is_removed(folder: Path, tmp_path: Path) -> None:
    engine = Trail(tuple(event(n) for n in range(1500)))
    path = tmp_path / "trail.csv"

    class Slow(Trail):
        def call(self, request: api.Request) -> api.WireWord:
            if isinstance(request, GetAudit) and request.limit != PAGE and request.after:
                raise NotFound("the vault was closed")
            return super().call(request)

    engine = Slow(engine.events)

    async def script(pilot: Pilot[Any]) -> None:
        await keys("x")(pilot)
        await pilot.press("ctrl+u", *str(path), "enter")
        await shows(pilot, "the vault was closed")

    drive(app_on(engine, folder, area="audit"), script)
    assert not list(tmp_path.glob("*.csv*"))
    assert not list(tmp_path.glob(".*.part"))


def test_hostile_texts_are_harmless(folder: Path) -> None:
    hostile = (
        event(1, "Search", who=HOSTILE, query=HOSTILE, people=(HOSTILE,), folder=HOSTILE, reason=HOSTILE),
        event(2, HOSTILE, event=HOSTILE, role=HOSTILE, messages=[HOSTILE], name=HOSTILE),
    )

    async def script(pilot: Pilot[Any]) -> None:
        assert_harmless(text_of(pilot.app))
        assert "[/x]" in text_of(pilot.app)
        await keys("down")(pilot)
        assert_harmless(text_of(pilot.app))

    drive(app_on(Trail(hostile, (HOSTILE,)), folder, area="audit"), script, LARGE)


def test_people_are_found_by_parts_of_names_and_addresses() -> None:
    def found(typed: str) -> list[str]:
        return [user.user.partition("@")[0] for user in people_that_fit(USERS.users, typed)]

    assert found("DIRECTOR@example.com") == ["dora"]
    assert found("dir") == ["dora"]
    assert found("dor") == ["dora", "dorian"]
    assert found("boss") == ["dora"]
    assert found("uill") == ["ada"]
    assert found("nobody") == found(" ") == []


def test_who_has_an_address_comes_before_who_had_it() -> None:
    shared = "sales@example.com"
    before = api.UserWord(
        user="ada@example.com", name="Ada", aliases=(shared,),
        addresses=(api.AddressWord(address="ada@example.com"), api.AddressWord(address=shared, until=5)),
    )  # fmt: skip
    now = api.UserWord(
        user="bob@example.com", name="Bob", aliases=(shared,),
        addresses=(api.AddressWord(address="bob@example.com"), api.AddressWord(address=shared, since=5)),
    )  # fmt: skip
    assert people_that_fit((before, now), shared) == [now]
    assert people_that_fit((before,), shared) == [before]


@pytest.mark.parametrize(
    ("typed", "span"),
    [
        ("2026-01", ("2026-01", "2026-01")),
        ("2026-01-02..2026-02", ("2026-01-02", "2026-02")),
        ("14d..", ("14d", "")),
        ("..2025", ("", "2025")),
        ("", ("", "")),
        ("a..b..c", None),
        ("1 2", None),
    ],
)
def test_days_are_typed_alone_or_as_a_span(typed: str, span: tuple[str, str] | None) -> None:
    assert span_of(typed) == span


def test_a_line_of_home_opens_what_its_login_did(tmp_path: Path) -> None:
    trail = Trail()

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "10 events")
        await app_of(pilot).places.open("audit", "audrey")
        await shows(pilot, "by audrey")

    drive(app_on(trail, tmp_path / "vault", area="audit"), script, LARGE)
    asked = [request.reader for request in trail.asked if isinstance(request, GetAudit)]
    assert asked == ["", "audrey"]

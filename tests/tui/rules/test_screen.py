"""The Rules area on a double of the engine: lists, texts, forms, and what is asked before an act."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment import api
from muniment.api import (
    AccessRights,
    AnswerApproval,
    Approvals,
    ApprovalWord,
    CountHold,
    Decided,
    Disposed,
    DisposeMail,
    Done,
    EndRule,
    GetReaders,
    GetRightsOf,
    GrantAccess,
    GrantWord,
    HeldPerson,
    HoldCountWord,
    Holds,
    HoldWord,
    ListAccess,
    ListApprovals,
    ListHolds,
    ListRules,
    MailCountWord,
    MailCriteria,
    MailShareWord,
    PlaceHold,
    Readers,
    ReaderWord,
    ReleaseHold,
    RevokeAccess,
    RulesSet,
    RuleWord,
    SealMail,
    SealWord,
    SetRules,
    SimulateRetention,
    Simulation,
    Step,
    StopWork,
    UnsealMail,
    WireWord,
)
from muniment.errors import AccessRefused, ReasonNeeded, UsageError, VaultError
from muniment_tui.rules.readers import asked
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import LARGE, NOW, SMALL, app_on, drive, settled, shows, text_of, until

WIDE = (200, 60)
DAY = 86_400
REED = HoldWord(
    number=40, name="Quill against Reed", case="4 C 17/26", reason="Letter of the court of 2 January",
    mail="mail of ada@example.com and bob@example.com, received from 2025-01-01", selection={},
    placed=NOW - 3 * DAY, by="ines",
)  # fmt: skip
OLD = HoldWord(
    number=12, name="Audit 2024", case="", reason="Audit", mail="all mail", selection={},
    placed=NOW - 90 * DAY, by="ines", released=NOW - 9 * DAY, released_by="otto",
    release_reason="The audit is over",
)  # fmt: skip
GRANT = GrantWord(
    id="3f9ac07e", login="ben", person="ada@example.com", since=NOW - DAY, until=NOW + 30 * DAY,
    reason="Ada is on leave", by="ines",
)  # fmt: skip
SEAL = SealWord(
    person="council@example.com", logins=("carla", "dan"), since=NOW - DAY, reason="Works council", by="ines"
)
RIGHTS = AccessRights(
    owner="archive", administrators=("ines",), auditors=("audrey",), users=(("bob", "bob@example.com"),),
    grants=(GRANT,), seals=(SEAL,),
)  # fmt: skip
COUNTED = HoldCountWord(
    hold=REED,
    mail=MailCountWord(messages=1234, bytes=5_000_000, unsure=2, oldest=NOW - 300 * DAY, newest=NOW),
    alone=1200, others={"Audit 2026": 34},
    people=(
        HeldPerson(user="ada@example.com", mail=MailCountWord(messages=1000, bytes=4_000_000)),
        HeldPerson(user="bob@example.com", mail=MailCountWord(messages=400, bytes=1_500_000)),
    ),
)  # fmt: skip
READERS = Readers(
    start=NOW - DAY, end=NOW,
    readers=(
        ReaderWord(login="archive", right="owner"),
        ReaderWord(login="audrey", right="auditor", since=NOW - 9 * DAY),
        ReaderWord(
            login="ben", right="grant", person="ada@example.com", since=NOW - DAY, grant="3f9ac07e",
            reason="Ada is on leave",
        ),
    ),
    sealed=(SEAL,), people=("ada@example.com",), gaps=("roles are not recorded before 2026-01-01",),
)  # fmt: skip


RULES = api.Rules(
    rules=(
        RuleWord(
            name="Tax",
            version=2,
            kind="keep",
            period={"years": 10},
            anchor="year end",
            zone="",
            rule="keep at least 10 years, from the end of the year",
            mail="all mail",
            selection={},
            record=7,
            since=NOW - 40 * DAY,
        ),
        RuleWord(
            name="Applications",
            version=1,
            kind="dispose",
            period={"months": 6},
            anchor="received",
            zone="",
            rule="dispose of after 6 months",
            mail="mail of jobs@example.com",
            selection={},
            record=9,
            since=NOW - 40 * DAY,
        ),
    )
)
JOBS = RuleWord(
    name="jobs", version=1, kind="dispose", period={"months": 6}, anchor="received", zone="",
    rule="dispose after 6 months from receipt", mail="mail of jobs@example.com", selection={},
)  # fmt: skip
SIMULATED = Simulation(
    at=NOW, examined=120_000, goes=MailShareWord(name="", messages=31, bytes=9_000_000, oldest=1, newest=NOW),
    rules=(
        MailShareWord(name="Applications", messages=31, bytes=9_000_000, oldest=1, newest=NOW, version=1),
    ),
    people=(MailShareWord(name="jobs@example.com", messages=31, bytes=9_000_000, oldest=1, newest=NOW),),
    held=4, kept=17, listed=31, list="31:ab",
)  # fmt: skip
WAITING = ApprovalWord(
    id="d56e0e30", act="hold release", what="release the hold 'Audit 2024'", of={},
    reason="The audit is over",
    asked=NOW - DAY, by="otto", state="waiting", until=NOW + 29 * DAY,
)  # fmt: skip
MINE = ApprovalWord(
    id="aa6e0e30", act="access grant", what="let ben read the mail of ada@example.com", of={}, reason="Leave",
    asked=NOW - DAY, by="ines", state="waiting", until=NOW + 29 * DAY, mine=True,
)  # fmt: skip
APPROVALS = Approvals(total=2, waiting=2, approvals=(WAITING, MINE))


class Rules(EngineDouble):
    """An engine with holds and rights."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(
            {
                ListHolds: Holds(total=1, open=1, holds=(REED,)),
                ListAccess: RIGHTS,
                PlaceHold: REED,
                ReleaseHold: Decided(message="The hold is released."),
                GrantAccess: Decided(message="ben may read it."),
                RevokeAccess: Done(message="ben may no longer read it."),
                SealMail: Done(message="It is sealed."),
                UnsealMail: Decided(message="It is no longer sealed."),
                ListRules: RULES,
                ListApprovals: APPROVALS,
                AnswerApproval: Decided(message="The hold is released."),
                SetRules: RulesSet(message="1 rule set: jobs (version 1).", rules=(JOBS,)),
                EndRule: Done(message="The rule Tax is ended."),
                StopWork: Done(message="It stops."),
                GetReaders: READERS,
                GetRightsOf: READERS,
            }
        )
        self.answers.update({getattr(api, name): answer for name, answer in answers.items()})

    def call(self, request: api.Request) -> WireWord:
        """Answer a list with what is over as well, if that is asked for."""
        answer = super().call(request)
        if isinstance(request, ListHolds) and request.released and isinstance(answer, Holds):
            return Holds(total=2, open=1, holds=(*answer.holds, OLD))
        return answer

    def stream(self, request: api.Request) -> Iterator[WireWord]:
        if not isinstance(request, CountHold | SimulateRetention) or type(request) in self.answers:
            return super().stream(request)
        self.asked.append(request)
        return iter((Step(text="50%"), COUNTED if isinstance(request, CountHold) else SIMULATED))

    def made(self) -> list[api.Request]:
        """The requests that decide something, dry runs left out."""
        kinds = (
            PlaceHold | ReleaseHold | GrantAccess | RevokeAccess | SealMail | UnsealMail | AnswerApproval
            | SetRules | EndRule | DisposeMail
        )  # fmt: skip
        return [one for one in self.asked if isinstance(one, kinds) and not getattr(one, "check", False)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


def keys(*pressed: str) -> Any:
    """A script that presses keys, each after the answer to the key before."""

    async def script(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for key in pressed:
            await pilot.press(key)
            await settled(pilot)

    return script


TYPED = ["down", "a", *"jobs", "down", "right", "down", *"6 months", "down", "down", *"jobs@x", "f2"]
"""Opens the form of a rule from the list of sections, fills it in, and asks."""


@pytest.mark.parametrize(
    ("name", "pressed", "make"),
    [
        ("rules-holds", [], Rules),
        ("rules-access", ["down", "down", "enter"], Rules),
        ("rules-retention", ["down", "m"], Rules),
        ("rules-approvals", ["down", "down", "down", "enter"], Rules),
        ("rules-approve", ["down", "down", "down", "enter", "A"], Rules),
        ("rules-former", ["p"], Rules),
        ("rules-counted", ["enter", "c"], Rules),
        ("rules-hold-form", ["a"], Rules),
        ("rules-who", ["down", "down", "w", *"ada", "enter"], Rules),
        ("rules-end", ["enter", "x"], Rules),
        ("rules-rule-form", TYPED, Rules),
        ("rules-dispose", ["down", "D", *"yearly", "enter"], Rules),
        ("rules-empty", [], lambda: Rules(ListHolds=Holds(total=0, open=0, holds=()))),
        ("rules-denied", [], lambda: Rules(ListHolds=AccessRefused("a user may not do this: ask ines"))),
    ],
)  # fmt: skip
def test_pictures_of_rules(picture: Any, folder: Path, name: str, pressed: list[str], make: Any) -> None:
    picture(name, lambda: app_on(make(), folder, area="rules"), keys(*pressed), (SMALL, LARGE, WIDE))


def test_a_hold_is_tried_and_then_placed_after_a_question(folder: Path) -> None:
    engine = Rules()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("9", "a", *"Reed", "down", "down", *"ada, bob", "down", *"2025-01-01")(pilot)
        await keys("down", "down", "down", "down", *"court", "f2")(pilot)
        await shows(pilot, "Place the hold Reed?")
        assert engine.made() == []
        await keys("n")(pilot)
        assert engine.made() == []
        await keys("f2")(pilot)
        await shows(pilot, "Place the hold Reed?")
        await keys("y")(pilot)
        await shows(pilot, "It is recorded")
        await shows(pilot, "Quill against Reed")

    drive(app_on(engine, folder, area="setup"), script)
    (placed,) = engine.made()
    assert isinstance(placed, PlaceHold)
    assert (placed.name, placed.reason, placed.everything) == ("Reed", "court", False)
    assert placed.mail == MailCriteria(people=("ada", "bob"), since="2025-01-01")


def test_a_hold_that_can_t_be_placed_keeps_what_was_typed(folder: Path) -> None:
    engine = Rules(PlaceHold=UsageError("an open hold has this name"))

    async def script(pilot: Pilot[Any]) -> None:
        await keys("a", "f2")(pilot)
        await shows(pilot, "Type a name")
        await keys(*"Reed", *["down"] * 7, *"court", "f2")(pilot)
        await shows(pilot, "an open hold has this name")
        assert "Reed" in text_of(pilot.app)
        await keys("escape", "escape")(pilot)
        await shows(pilot, "without recording?")
        await keys("y")(pilot)
        await shows(pilot, "Legal holds")

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    assert engine.made() == []


def test_what_is_at_the_cursor_is_ended_with_a_reason(folder: Path) -> None:
    engine = Rules()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("enter", "x", "enter")(pilot)
        await shows(pilot, "Type the reason")
        await keys(*"settled", "enter")(pilot)
        await shows(pilot, "The hold is released.")
        await keys("escape", "escape", "down", "down", "enter", "x")(pilot)
        await shows(pilot, "no longer sealed?")
        await keys(*"over", "enter")(pilot)
        await shows(pilot, "It is no longer sealed.")
        await keys("down", "x")(pilot)
        await shows(pilot, "no longer read the mail")
        await keys("escape")(pilot)
        await keys("x", *"back", "enter")(pilot)
        await shows(pilot, "ben may no longer read it.")
        await keys("down", "x")(pilot)  # the owner's right has no end
        assert "Why" not in text_of(pilot.app)

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    assert engine.made() == [
        ReleaseHold(name="Quill against Reed", reason="settled", number=40),
        UnsealMail(user="council@example.com", reason="over"),
        RevokeAccess(id="3f9ac07e", reason="back"),
    ]


def test_a_grant_and_a_seal_are_recorded_after_a_question(folder: Path) -> None:
    engine = Rules()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("down", "down", "a", *"ben", "down", *"ada", "down", "down", *"leave", "f2")(pilot)
        await shows(pilot, "Let ben read the mail of ada without an end?")
        await keys("enter")(pilot)  # the default is No
        assert engine.made() == []
        await keys("f2", "y")(pilot)
        await shows(pilot, "ben may read it.")
        await keys("l", *"council", "down", *"carla, dan", "down", *"council", "f2")(pilot)
        await shows(pilot, "Leave the mail of council to carla, dan?")
        await keys("y")(pilot)
        await shows(pilot, "It is sealed.")

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    assert engine.made() == [
        GrantAccess(login="ben", user="ada", reason="leave"),
        SealMail(user="council", logins=("carla", "dan"), reason="council"),
    ]


def test_a_hold_is_counted_and_its_count_stays_with_it(folder: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await keys("enter", "c")(pilot)
        await shows(pilot, "1,234 messages")
        text = text_of(pilot.app)
        assert "2 of them; they are covered" in text
        assert "Audit 2026: 34" in text
        await keys("p", "down")(pilot)
        await shows(pilot, "The audit is over")
        assert "1,234 messages" not in text_of(pilot.app)
        await keys("up")(pilot)
        await shows(pilot, "1,234 messages")

    drive(app_on(Rules(), folder, area="rules"), script, WIDE)


@pytest.mark.parametrize(
    ("typed", "request_"),
    [
        ("3f9ac07e", GetReaders(id="3f9ac07e")),
        ("3F9AC07E12, 2026-03-01", GetReaders(id="3F9AC07E12", on="2026-03-01")),
        ("ada@example.com", GetRightsOf(who="ada@example.com")),
        (" ben , yesterday ", GetRightsOf(who="ben", on="yesterday")),
        ("abc", GetRightsOf(who="abc")),
    ],
)
def test_an_id_asks_for_readers_and_a_name_for_rights(typed: str, request_: api.Request) -> None:
    assert asked(typed) == request_


def test_nothing_is_decided_in_a_read_only_app(folder: Path) -> None:
    engine = Rules()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("enter", "a", "x", "l", "A", "c")(pilot)
        await until(pilot, lambda: any(isinstance(one, CountHold) for one in engine.asked))

    drive(app_on(engine, folder, area="rules", read_only=True), script)
    assert engine.made() == []


def test_hostile_names_are_harmless(folder: Path) -> None:
    hold = HoldWord(
        number=1,
        name=HOSTILE,
        case=HOSTILE,
        reason=HOSTILE,
        mail=HOSTILE,
        selection={},
        placed=NOW,
        by=HOSTILE,
    )
    rights = AccessRights(
        owner=HOSTILE, administrators=(HOSTILE,),
        grants=(GrantWord(id="1", login=HOSTILE, person=HOSTILE, since=NOW, reason=HOSTILE, by=HOSTILE),),
        seals=(SealWord(person=HOSTILE, logins=(HOSTILE,), since=NOW, reason=HOSTILE, by=HOSTILE),),
    )  # fmt: skip
    readers = Readers(
        start=NOW, end=NOW,
        readers=(ReaderWord(login=HOSTILE, right=HOSTILE, person=HOSTILE, reason=HOSTILE),),
        people=(HOSTILE,), gaps=(HOSTILE,),
    )  # fmt: skip
    engine = Rules(ListHolds=Holds(total=1, open=1, holds=(hold,)), ListAccess=rights, GetRightsOf=readers)

    async def script(pilot: Pilot[Any]) -> None:
        for step in (
            ["enter"],
            ["x"],
            ["escape", "escape", "down"],
            ["m"],
            ["down", "enter"],
            ["down"],
            ["w", *"x", "enter"],
        ):
            await keys(*step)(pilot)
            assert_harmless(text_of(pilot.app))

    drive(app_on(engine, folder, area="rules"), script, LARGE)


def test_what_waits_is_approved_by_another_and_withdrawn_by_who_asked(folder: Path) -> None:
    engine = Rules()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("down", "down", "down", "enter", "A", "enter")(pilot)  # the default is No
        assert engine.made() == []
        await keys("A", "y")(pilot)
        await shows(pilot, "The hold is released.")
        await keys("down", "A")(pilot)  # who asked can't approve it
        assert "Approve it" not in text_of(pilot.app)
        await keys("x", *"no need", "enter")(pilot)
        await until(pilot, lambda: len(engine.made()) == 2)

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    assert engine.made() == [
        AnswerApproval(id="d56e0e30", answer="approve"),
        AnswerApproval(id="aa6e0e30", answer="withdraw", reason="no need"),
    ]


def test_a_simulation_says_what_would_go_and_what_stays(folder: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await keys("down", "m")(pilot)
        await shows(pilot, "31 messages")
        text = text_of(pilot.app)
        assert "4 held by a legal hold, 17 kept by a rule" in text
        assert "nothing was changed" in text

    drive(app_on(Rules(), folder, area="rules"), script, LARGE)


SPEC = api.RuleSpec(
    name="jobs", kind="dispose", period="6 months", mail=MailCriteria(people=("jobs@x",))
)  # fmt: skip


def simulations(engine: Rules) -> list[SimulateRetention]:
    return [one for one in engine.asked if isinstance(one, SimulateRetention)]


def test_a_rule_is_set_after_its_effect_was_shown(folder: Path) -> None:
    engine = Rules()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(*TYPED)(pilot)
        await shows(
            pilot, "Set the rule jobs: dispose after 6 months from receipt: mail of jobs@example.com?"
        )
        text = text_of(pilot.app)
        assert "a disposal now would take 31 messages" in " ".join(text.split())
        assert "4 held by a legal hold, 17 kept by a rule" in text
        await keys("enter")(pilot)  # the default is No
        assert engine.made() == []
        await keys("f2")(pilot)
        await shows(pilot, "Set the rule jobs")
        assert len(simulations(engine)) == 1, "nothing has changed, so it is not compared again"
        await keys("y")(pilot)
        await shows(pilot, "1 rule set: jobs")

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    (made,) = engine.made()
    assert isinstance(made, SetRules)
    assert made.rules == (SPEC,)
    assert simulations(engine)[0].rules == (SPEC,)


def test_a_rule_that_changes_nothing_asks_nothing(folder: Path) -> None:
    engine = Rules(SetRules=RulesSet(message="Nothing changes: the rules are in force in this form already."))

    async def script(pilot: Pilot[Any]) -> None:
        await keys(*TYPED)(pilot)
        await shows(pilot, "Nothing changes")
        assert "Set the rule" not in text_of(pilot.app)

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    assert simulations(engine) == []


def test_a_rule_is_ended_after_what_would_go_without_it_was_shown(folder: Path) -> None:
    engine = Rules()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("down", "enter", "x")(pilot)
        await shows(pilot, "End the rule Tax?")
        assert "A disposal would then take 31 messages" in " ".join(text_of(pilot.app).split())
        await keys("enter")(pilot)  # the default is No
        assert engine.made() == []
        await keys("x")(pilot)
        await shows(pilot, "End the rule Tax?")
        await keys("y")(pilot)
        await shows(pilot, "The rule Tax is ended.")

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    assert engine.made() == [EndRule(name="Tax")]
    assert simulations(engine)[0].ended == ("Tax",)


def test_mail_is_disposed_of_after_the_count_was_typed(folder: Path) -> None:
    done = Disposed(
        message="30 messages are erased.", messages=30, records=(77,), refused={"ab" * 32: "held"}
    )
    engine = Rules(DisposeMail=[Step(text="erasing"), Step(text="", percent=50), done])

    async def script(pilot: Pilot[Any]) -> None:
        await keys("down", "D", "enter")(pilot)
        await shows(pilot, "Type the reason")
        await keys(*"yearly", "enter")(pilot)
        await shows(pilot, "Erase 31 messages")
        await keys("enter")(pilot)
        await shows(pilot, "Nothing was changed")
        assert engine.made() == []
        await keys(*"erase 31", "enter")(pilot)
        await shows(pilot, "30 messages are erased.")
        text = text_of(pilot.app)
        assert "abababababab stays: held" in text
        assert "Certificate 77" in text

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    assert engine.made() == [DisposeMail(at=NOW, list="31:ab", reason="yearly")]
    assert simulations(engine)[0].reason == "yearly"


def test_nothing_is_asked_if_nothing_is_due(folder: Path) -> None:
    none = Simulation(
        at=NOW, examined=9, goes=MailShareWord(name="", messages=0, bytes=0, oldest=0, newest=0)
    )
    engine = Rules(SimulateRetention=[none])

    async def script(pilot: Pilot[Any]) -> None:
        await keys("down", "D", *"yearly", "enter")(pilot)
        await shows(pilot, "Nothing is due")

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    assert engine.made() == []


def test_a_disposal_shows_how_far_it_is_and_is_stopped(folder: Path) -> None:
    stopped = threading.Event()

    def erasing() -> Iterator[WireWord]:
        yield Step(text="erasing", work=4)
        yield Step(text="", percent=40, work=4)
        assert stopped.wait(20)
        raise VaultError("the disposal was stopped")

    class Slow(Rules):
        def call(self, request: api.Request) -> WireWord:
            if isinstance(request, StopWork):
                stopped.set()
            return super().call(request)

        def stream(self, request: api.Request) -> Iterator[WireWord]:
            if isinstance(request, DisposeMail):
                self.asked.append(request)
                return erasing()
            return super().stream(request)

    engine = Slow()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("down", "D", *"yearly", "enter", *"erase 31")(pilot)
        await pilot.press("enter")
        await shows(pilot, "40%")
        assert "s stops it" in text_of(pilot.app)
        await pilot.press("s")
        await shows(pilot, "Disposal was stopped. What is erased stays erased")

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    assert StopWork(number=4) in engine.asked


def test_a_vault_that_requires_a_reason_gets_one_for_a_simulation(folder: Path) -> None:
    class Asking(Rules):
        def stream(self, request: api.Request) -> Iterator[WireWord]:
            if isinstance(request, SimulateRetention) and not request.reason:
                self.asked.append(request)
                raise ReasonNeeded("a reason is needed")
            return super().stream(request)

    engine = Asking()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("down", "m")(pilot)
        await shows(pilot, "Your reason:")
        await keys(*"audit", "enter")(pilot)
        await shows(pilot, "31 messages")

    drive(app_on(engine, folder, area="rules"), script, LARGE)
    assert [one.reason for one in simulations(engine)] == ["", "audit"]

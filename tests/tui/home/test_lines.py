"""What the panes of Home say, from plain values."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from muniment.api import ArrivalSeries, DiskState, Health, HealthProblem, SilentUser
from muniment_tui.home import lines
from muniment_tui.home.ages import age, moment
from muniment_tui.home.lines import OUTSIDE, SETUP, HomeLine
from support.engine_double import HOSTILE, assert_harmless
from support.healths import GATEWAY, GB, HAND, NOW, empty, health, own, ran, troubled
from support.running import going
from support.running import profile as state_of


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def disk(**fields: Any) -> DiskState:
    return DiskState(total=100 * GB, free=40 * GB, **fields)


def said(found: list[HomeLine]) -> list[str]:
    return [line.head.plain + line.words.plain for line in found]


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (47 * 3600, "47 h ago"),
        (48 * 3600, "2 days ago"),
        (400 * 86400, "400 days ago"),
    ],
)
def test_ages(passed: int, text: str) -> None:
    assert age(NOW - passed, NOW) == text


def test_a_moment_of_today_has_no_date() -> None:
    assert moment(NOW - 120, NOW) == "11:58, 2 min ago"
    assert moment(NOW - 3 * 86400, NOW) == "2026-01-02 12:00, 3 days ago"
    assert moment(NOW - 120, NOW, aged=False) == "11:58"


def test_problems_come_first_with_their_place_and_set_up_last() -> None:
    found = lines.problem_lines(troubled(setup_done=4))
    assert [(one.area, one.row) for one in found] == [
        ("profiles", ""), ("runs", "info"), ("people", "eve@quill.example"), ("runs", "quarantine"),
        (OUTSIDE, ""), (SETUP, ""),
    ]  # fmt: skip
    assert said(found)[0].startswith("✗ Critical: No journal report for 26 hours.")
    assert said(found)[1] == "! The run of info failed: the server refuses the login."
    assert said(found)[-1] == "… Set-up: 4 of 10 steps are done. Enter goes on with it."


def test_without_problems_one_line_says_so() -> None:
    assert said(lines.problem_lines(health())) == ["✓ The archive is well."]


def test_journal_reports_are_charted_and_other_copies_only_without_any() -> None:
    both = ArrivalSeries(starts=(0, 1), reports=(1, 0), others=(9, 9))
    assert lines.series(both) == (1, 0)
    assert lines.series(ArrivalSeries(starts=(0, 1), reports=(0, 0), others=(9, 8))) == (9, 8)
    assert lines.series(ArrivalSeries()) == ()


def test_the_captions_of_the_charts() -> None:
    few = ArrivalSeries(starts=(NOW - 86400, NOW), reports=(10, 1200), others=(0, 0))
    state = health(days=few, hours=few)
    assert lines.days_caption(state).plain.split(None, 2)[2] == "1,200 today · 10 on average in 2 days"
    assert lines.hours_caption(state).plain.split(None, 2)[2] == "1,200 since 12:00 · 1,210 in 2 hours"
    assert lines.days_caption(own()).plain == lines.hours_caption(own()).plain == ""
    assert (lines.day_ends(few), lines.hour_ends(few)) == (("04 Jan", "today"), ("12:00", "now"))


def test_profiles_have_a_state_in_words() -> None:
    change = msgspec.structs.replace
    profiles = (
        GATEWAY, HAND, change(GATEWAY, name="new", last=None), change(GATEWAY, name="raw", tested=False),
        change(GATEWAY, name="bad", last=ran("failed")), change(GATEWAY, name="cut", last=ran("cancelled")),
        change(GATEWAY, name="full", waiting=1200),
    )  # fmt: skip
    found = said(lines.profile_lines(health(profiles=profiles), {}))
    for text, one in zip(
        ("✓ ok", "○ by hand", "… new", "! not tested", "✗ failed", "■ cancelled", "1,200 waiting"),
        found,
        strict=True,
    ):
        assert text in one
    assert "12 new, 4 min ago" in found[0]
    assert "next 12:01" in found[0]


def test_a_run_under_way_shows_its_progress() -> None:
    live = {"gateway": state_of("gateway", running=going(4180), next_start=0)}
    (one,) = said(lines.profile_lines(health(), live))
    assert "▶ fetching" in one
    assert "4,491 of" in one
    queued = {"gateway": state_of("gateway", running=going(0, stage="waiting"))}
    assert "queued" in said(lines.profile_lines(health(), queued))[0]


def test_many_profiles_are_counted_and_none_leads_to_a_new_one() -> None:
    found = lines.profile_lines(health(profiles=(GATEWAY,) * 11), {})
    assert len(found) == lines.PROFILES + 1
    assert said(found)[-1] == "and 3 more"
    (one,) = lines.profile_lines(empty(), {})
    assert (one.area, one.row) == ("profiles", "")


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (disk(), "its growth is known after two days"),
        (disk(a_day=0), "the vault does not grow"),
        (
            DiskState(total=100 * GB, free=40 * GB, a_day=1),
            "grows by 1 B a day, room for more than ten years",
        ),
        (
            DiskState(total=100 * GB, free=GB, a_day=GB, days_left=1),
            "grows by 1.0 GB a day, full in about 1 day",
        ),
        (disk(a_day=9, days_left=400), "grows by 9 B a day, full in about 13 months"),
        (disk(a_day=9, days_left=2000), "grows by 9 B a day, full in about 5 years"),
    ],
)
def test_the_forecast_of_the_disk(known: DiskState, text: str) -> None:
    assert text in [one.strip() for one in said(lines.archive_lines(health(disk=known)))]


def test_the_archive_has_its_size_and_what_the_index_lacks() -> None:
    found = said(lines.archive_lines(troubled()))
    assert "225.0 GB for 812.0 GB of mail, 3.8 to 1" in found[1]
    assert "lacks 1,204 messages" in found[2]
    assert "15.0 GB free of 2.0 TB, 99% full" in found[3]
    assert "3 to look at" in found[-1]
    assert len(lines.archive_lines(health(disk=None))) == len(found) - 2


def test_proof_says_what_failed_and_when_it_was_good() -> None:
    verified, backup = said(lines.proof_lines(troubled()))
    assert "ok  2026-01-02 12:00, 3 days ago, deep, by ines" in verified
    assert "failed  03:00, 9 h ago, last good 4 days ago" in backup
    never, none = said(lines.proof_lines(empty()))
    assert "never" in never
    assert "none by Muniment" in none


def test_people_are_those_who_are_silent_and_those_who_are_signed_in() -> None:
    found = lines.people_lines(troubled())
    assert [one.row for one in found] == ["", "", "eve@quill.example", "bob@quill.example", "ines", "audrey"]
    assert "2 for 14 days" in said(found)[1]
    assert "eve@quill.example  last report 20 days ago" in said(found)[2]
    assert "none" in said(lines.people_lines(health()))[1]
    assert "no reports yet" in said(lines.people_lines(empty()))[1]
    crowd = lines.people_lines(health(signed_in=health().signed_in * 4))
    assert "and 3 more" in said(crowd)[-1]


def test_a_plain_user_reads_no_verdict() -> None:
    (line,) = lines.problem_lines(own())
    assert (line.head.plain, line.words.plain) == (
        "",
        "Your folders hold 4,211 messages; no more was checked.",
    )
    (well,) = lines.problem_lines(health())
    assert well.head.plain


def test_a_plain_user_sees_their_own_mail_alone() -> None:
    assert lines.is_own(own())
    assert not lines.is_own(empty())
    assert "4,211" in said(lines.own_lines(own(behind=3)))[0]
    assert "3 can't be searched yet" in said(lines.own_lines(own(behind=3)))[1]


def test_nothing_hostile_gets_through() -> None:
    change: Any = msgspec.structs.replace
    bad: Health = troubled(
        problems=(HealthProblem(key="x", severity="warning", text=HOSTILE, area="runs", row=HOSTILE),),
        profiles=(change(GATEWAY, name=HOSTILE, last=ran(HOSTILE)),),
        silent=(SilentUser(user=HOSTILE, name=HOSTILE),), silent_total=1,
        verified=change(health().verified, who=HOSTILE), backup=change(health().backup, path=HOSTILE),
        signed_in=(change(health().signed_in[0], login=HOSTILE, role=HOSTILE),),
    )  # fmt: skip
    for make in (lines.problem_lines, lines.archive_lines, lines.proof_lines, lines.people_lines):
        for text in said(make(bad)):
            assert_harmless(text)
    for text in said(lines.profile_lines(bad, {})):
        assert_harmless(text)

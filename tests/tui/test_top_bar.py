"""The line at the top: areas that fit, and the facts of the vault and its service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from muniment.api import GetStatus
from muniment_tui.shell import top_bar
from muniment_tui.shell.areas import AREAS, Area
from muniment_tui.shell.file_paths import middle
from muniment_tui.shell.service_facts import ServiceFacts
from muniment_tui.shell.top_bar import TopBar
from support.engine_double import HOSTILE, EngineDouble
from support.running import profile
from support.screens import app_of, app_on, drive, shows, text_of, until
from support.words import progress, status

FOLDER = "/srv/archives/of/the/company/quill"


def engine() -> EngineDouble:
    return EngineDouble({GetStatus: status(vault=FOLDER, name="Quill")})


def first_line(pilot: Pilot[Any]) -> str:
    return text_of(pilot.app).split("\n")[0]


def laid_out(here: str, room: int) -> str:
    return top_bar._laid_out(AREAS, here, room)[1].plain


def test_the_titles_are_written_out_where_there_is_room() -> None:
    assert laid_out("runs", 89) == "".join(f" {area.key} {area.title} " for area in AREAS)
    short = " 1 Home  2 Prof  3 Runs  4 Mail  5 People  6 Audit  7 Proof  8 Set  9 Rule "
    assert laid_out("runs", 88) == laid_out("profiles", len(short)) == short
    close = " 1Home 2Prof 3 Runs  4Mail 5People 6Audit 7Proof 8Set 9Rule"
    assert laid_out("runs", len(short) - 1) == laid_out("runs", len(close)) == close
    assert laid_out("profiles", len(close) - 1) == " 1  2 Profiles  3  4  5  6  7  8  9 "


def test_an_ordinary_terminal_shows_all_titles_and_moves_none() -> None:
    """80 columns have room for them and the facts, whatever area is open."""
    drawn = [laid_out(area.id, 80 - 2 - top_bar.FACTS - 1) for area in AREAS]
    assert len({len(line) for line in drawn}) == 1
    for line in drawn:
        assert all((area.short or area.title) in line for area in AREAS)


@pytest.mark.parametrize(
    ("room", "words"),
    [
        (48, "! demo vault · Nordlicht Leuchtfeuer · ● service"),
        (47, "! demo · Nordlicht Leuchtfeuer · ● service"),
        (41, "! demo · Nordlicht Leuchtfeuer · ●"),
        (28, "! demo · Nordlicht Leuc… · ●"),
        (18, "! demo · Nord… · ●"),
        (15, "! demo · ●"),
    ],
)
def test_facts_are_shortened_one_after_another(room: int, words: str) -> None:
    facts = top_bar._facts("Nordlicht Leuchtfeuer", ServiceFacts(answers=True, demo=True), False, room)
    assert " · ".join(fact.plain for fact in facts) == words


@given(st.sampled_from(AREAS), st.integers(0, 200))
def test_each_area_can_be_clicked_in_each_form(here: Area, room: int) -> None:
    ends, drawn = top_bar._laid_out(AREAS, here.id, room)
    begin = 0
    for end, area in ends:
        assert drawn.plain[begin : end + 1].strip().startswith(area.key)
        begin = end + 1
    assert any(f" {here.key} {title} " in drawn.plain for title in (here.title, here.short or here.title))


@given(st.text(max_size=80), st.integers(3, 40))
def test_a_path_is_shortened_in_its_middle(path: str, cells: int) -> None:
    short = middle(path, cells)
    assert len(short) <= cells
    if len(path) > cells:
        begin, _, end = short.rpartition("…")
        assert path.startswith(begin)
        assert path.endswith(end)
    else:
        assert short == path


def test_a_click_goes_to_the_area(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Quill · ●")
        place = first_line(pilot).index(" 4Mail") + 1
        await pilot.click(TopBar, offset=(place, 0))
        await until(pilot, lambda: pilot.app.current_mode == "messages")
        await pilot.click(TopBar, offset=(79, 0))
        await pilot.pause()
        assert pilot.app.current_mode == "messages"

    drive(app_on(engine(), tmp_path / "v", area="runs", blank=True), script)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_what_the_service_does(tmp_path: Path, width: int) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        app = app_of(pilot)
        await shows(pilot, "Quill")
        facts = re.search(r" Quill( · \S+)? · ●( service)?$", first_line(pilot))
        assert facts
        titles = [area.title if width > 80 else area.short or area.title for area in AREAS]
        assert all(title in first_line(pilot) for title in titles)
        assert width < 200 or facts[1] == f" · {FOLDER}"
        one = profile("gateway", running=progress(profile="gateway"))
        app.service = app.service.runs([one])
        await until(pilot, lambda: first_line(pilot).endswith("▶ gateway"))
        app.service = app.service.runs([one, one])
        await until(pilot, lambda: first_line(pilot).endswith("▶ 2 runs"))
        app.service = app.service.lost()
        await until(pilot, lambda: first_line(pilot).endswith("✗ no service"))

    drive(app_on(engine(), tmp_path / "v", area="runs", blank=True), script, (width, 24))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_vault_of_the_demo_has_a_mark(tmp_path: Path, width: int) -> None:
    """An organisation that is called "demo" is no demo."""

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "! demo")
        marked = r" ! demo( vault)? · Quill( · \S+)? · ●( service)?$"
        assert re.search(marked, first_line(pilot)), first_line(pilot)

    of_demo = EngineDouble({GetStatus: status(vault=FOLDER, name="Quill", demo=True)})
    drive(app_on(of_demo, tmp_path / "v", area="runs", blank=True), script, (width, 24))

    async def unmarked(pilot: Pilot[Any]) -> None:
        await shows(pilot, "● ")
        assert "! demo" not in first_line(pilot)

    of_other = EngineDouble({GetStatus: status(vault=FOLDER, name="demo")})
    drive(app_on(of_other, tmp_path / "w", area="runs", blank=True), unmarked, (200, 24))


def test_a_hostile_name(tmp_path: Path) -> None:
    engine = EngineDouble({GetStatus: status(vault=HOSTILE, name=HOSTILE)})

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "●")
        assert len(first_line(pilot)) <= 80

    drive(app_on(engine, tmp_path / "v", area="runs", blank=True), script)


def test_the_bar_of_a_screen_shows_its_own_area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that is drawn while the app changes to another area."""

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("5")
        await shows(pilot, "5 People")
        bar = pilot.app.screen.query_one(TopBar)
        monkeypatch.setattr(type(pilot.app), "current_mode", "home")
        bar.draw()
        words = bar.words
        marked = [words.plain[one.start : one.end] for one in words.spans if "on $accent" in str(one.style)]
        assert "".join(marked).strip() == "5 People"

    drive(app_on(engine(), tmp_path / "vault", area="home"), script, (120, 40))

"""Runs the terminal app in this process, and returns its screen as text and as pictures.

Pictures are SVG files in `snapshots/`, compared exactly. They are the same everywhere: the wall clock is
frozen in UTC, the files embed no fonts, ids are fixed, and pyproject.toml pins Textual's version for
development. `pytest --snapshot-update` writes them again; look at each one before you accept it.
"""

from __future__ import annotations

import asyncio
import io
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.app import App
from textual.pilot import Pilot

from muniment.api import GetHealth, GetSetup, GetStatus
from muniment_tui.app import MunimentApp
from muniment_tui.shell.areas import AREAS
from muniment_tui.shell.frame import AreaScreen, FrameScreen
from muniment_tui.shell.times import AppTimes
from muniment_tui.terminal.colours import ColourDepth
from support.checklists import checklist
from support.engine_double import EngineDouble
from support.healths import empty
from support.words import status

ROOT = Path(__file__).parents[2]
NOW = 1_767_614_400
"""2026-01-05 12:00:00 UTC, the time in pictures."""
SMALL, LARGE = (80, 24), (120, 40)
PATIENCE = 60.0
"""Timeout of a wait, in seconds."""
PATIENT = AppTimes(notice=PATIENCE, unasked=0.0)
"""Times of an app whose notices are there until a test has read them, on the busiest machine.
A test presses keys as soon as a question is there."""
Script = Callable[[Pilot[Any]], Awaitable[None]]

_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" \
xml:space="preserve">
<style>
.{unique_id}-matrix {{ font-family: "Fira Code", "DejaVu Sans Mono", monospace; \
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


DRAWN = 5.0
"""Seconds that a picture may take to reach its expected state."""


def svg_of(app: App[Any]) -> str:
    """The screen of an app as SVG, independent of this machine."""
    width, height = app.size
    console = Console(
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        record=True,
        legacy_windows=False,
        safe_box=False,
    )
    drawn = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    console.print(drawn)
    svg = console.export_svg(title="muniment", code_format=_FORMAT, unique_id="m")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def text_of(app: App[Any]) -> str:
    """The screen of an app as lines of text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def app_of(pilot: Pilot[Any]) -> MunimentApp:
    """The app that a pilot drives, which must be Muniment's."""
    assert isinstance(pilot.app, MunimentApp)
    return pilot.app


def frame_of(pilot: Pilot[Any]) -> FrameScreen:
    """The app's screen, which must have the frame."""
    assert isinstance(pilot.app.screen, FrameScreen)
    return pilot.app.screen


async def until(pilot: Pilot[Any], holds: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until `holds` returns a true value."""
    deadline = time.monotonic() + patience
    waited = False
    while not holds():
        waited = True
        assert time.monotonic() < deadline, f"timed out; the screen shows:\n{text_of(pilot.app)}"
        await asyncio.sleep(0.01)  # not the pilot's pause, which sends messages to all widgets
    if waited:
        await pilot.pause()


async def shows(pilot: Pilot[Any], text: str, patience: float = PATIENCE) -> None:
    """Wait until a text appears on the screen."""
    await until(pilot, lambda: text in text_of(pilot.app), patience)


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until the engine has answered all requests and the answers are drawn."""
    app = pilot.app
    await pilot.pause()
    if isinstance(app, MunimentApp) and app.vault is not None:
        await until(pilot, lambda: not app.engine.calling)
    await pilot.pause()


def app_on(
    engine: EngineDouble,
    folder: Path,
    *,
    area: str = "setup",
    vault: bool = True,
    blank: bool = False,
    **options: Any,
) -> MunimentApp:
    """The app on a double of the engine, in an area. With `vault=False` it has no vault.

    With `blank` the areas are empty pages. `folder` becomes the vault; it contains only the file that marks a
    vault.
    """
    engine.answers.setdefault(GetStatus, status())
    engine.answers.setdefault(GetSetup, checklist())
    engine.answers.setdefault(GetHealth, empty())
    if vault:
        folder.mkdir(exist_ok=True)
        (folder / "vault.toml").touch()
    options.setdefault("depth", ColourDepth.TRUE)
    options.setdefault("times", PATIENT)
    app = MunimentApp(engine.doors.connect, folder, area=area, **options)
    if blank:
        app._modes.update(dict.fromkeys((one.id for one in AREAS), AreaScreen))
    return app


class SteadyPilot(Pilot[Any]):
    """A pilot that presses one key after another, each when the app has dealt with the one before.

    Textual's own pilot guesses from the processor's load whether the app is done. On a busy machine it
    presses a key before the last one has moved the focus, and it waits a second at each key while a thread
    of the app works.
    """

    ROUNDS = 3
    """A key posts a message, whose handler posts another: so many queues are emptied in turn."""

    async def press(self, *keys: str) -> None:
        """Press keys; return when the widgets have handled what these set off."""
        for key in keys:
            with patch("textual.app.wait_for_idle", self._emptied):
                await super().press(key)

    async def pause(self, delay: float | None = None) -> None:
        """Wait until the widgets have handled what is there, and then `delay` seconds."""
        await self._emptied()
        await super().pause(delay or 0)

    async def _emptied(self, min_sleep: float = 0.0, max_sleep: float = 0.0) -> None:
        """Empty the queues of all widgets. It takes the place of Textual's guess, which has these times."""
        for _ in range(self.ROUNDS):
            await self._wait_for_screen()


def drive(app: App[Any], script: Script, size: tuple[int, int] = SMALL) -> None:
    """Run an app without a terminal, and a script in it."""

    async def run() -> None:
        async with app.run_test(size=size, notifications=True):
            pilot = SteadyPilot(app)
            await settled(pilot)
            await script(pilot)
            app.exit(0)
        if isinstance(app, MunimentApp):
            app.hang_up()

    asyncio.run(run())


class Picture(SingleFileSnapshotExtension):
    """One SVG for each picture, in `snapshots/`, named by the test."""

    file_extension = "svg"
    _write_mode = WriteMode.TEXT

    @classmethod
    def dirname(cls, *, test_location: Any) -> str:
        return str(ROOT / "snapshots")

    @classmethod
    def get_snapshot_name(cls, *, test_location: Any, index: Any = 0) -> str:
        return str(index)

    def discover_snapshots(self, **_: Any) -> Any:
        """Nothing: pictures of tests that don't run now must not count as unused."""
        from syrupy.data import SnapshotCollections

        return SnapshotCollections()


Compare = Callable[..., None]


@pytest.fixture
def picture(snapshot: SnapshotAssertion, frozen: None) -> Compare:
    """`picture(name, make, script, sizes)` compares the app's screen after a script, at each size.

    `make` creates the app for each size. The script may be omitted.
    """
    pictures = snapshot.with_defaults(extension_class=Picture)

    def compare(
        name: str,
        make: Callable[[], App[Any]],
        script: Script | None = None,
        sizes: tuple[tuple[int, int], ...] = (SMALL, LARGE),
    ) -> None:
        for size in sizes:
            file = ROOT / "snapshots" / f"{name}-{size[0]}x{size[1]}.svg"
            svg = shot(make(), script, size, file.read_text() if file.exists() else "")
            with warnings.catch_warnings():
                # A picture is named for what it shows, not for the test that takes it.
                warnings.filterwarnings("ignore", "\nCan not relate snapshot", UserWarning)
                alike = svg == pictures(name=f"{name}-{size[0]}x{size[1]}")
            assert alike, f"{name} looks different: see `pytest --snapshot-update` and `git diff snapshots`"

    return compare


def shot(app: App[Any], script: Script | None, size: tuple[int, int], expected: str = "") -> str:
    """The screen of an app after a script, as SVG. The app gets some time to draw what is expected."""
    taken: list[str] = []

    async def take(pilot: Pilot[Any]) -> None:
        if script is not None:
            await script(pilot)
        await settled(pilot)
        deadline = time.monotonic() + DRAWN
        while (svg := svg_of(pilot.app)) != expected and expected and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        taken.append(svg)

    drive(app, take, size)
    return taken[0]


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The wall clock stands still, in UTC. The monotonic clock runs."""
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "COLORTERM", "LC_ALL", "LANG"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    yield
    monkeypatch.undo()
    time.tzset()

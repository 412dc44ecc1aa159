"""The terminal app in this process: what it shows, as text and as pictures.

Pictures are SVG files in `snapshots/`, compared to the letter. What makes them the same everywhere: a frozen
wall clock in UTC, no fonts in the file, fixed ids, and Textual's version, which pyproject.toml pins for
development. `pytest --snapshot-update` writes them anew; look at each before it is accepted.
"""

from __future__ import annotations

import asyncio
import io
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.app import App
from textual.pilot import Pilot

from muniment.api import GetSetup, GetStatus
from muniment_tui.app import MunimentApp
from muniment_tui.shell.areas import AREAS
from muniment_tui.shell.frame import AreaScreen
from support.checklists import checklist
from support.engine_double import EngineDouble
from support.words import status

ROOT = Path(__file__).parents[2]
NOW = 1_767_614_400
"""2026-01-05 12:00:00 UTC: what the clock says in pictures."""
SMALL, LARGE = (80, 24), (120, 40)
PATIENCE = 20.0
"""Seconds until a wait is given up."""
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
"""Seconds that a picture may take to look as it should."""


def svg_of(app: App[Any]) -> str:
    """What an app shows, as SVG that holds nothing of this machine."""
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
    """What an app shows, as lines of text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def until(pilot: Pilot[Any], holds: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"never came to hold; the screen says:\n{text_of(pilot.app)}"
        await pilot.pause(0.01)


async def shows(pilot: Pilot[Any], text: str, patience: float = PATIENCE) -> None:
    """Wait until a text is to be read on the screen."""
    await until(pilot, lambda: text in text_of(pilot.app), patience)


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until the engine has answered all that it was asked, and it is drawn."""
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
    """The app on a double of the engine, in an area; `vault=False` leaves it without one.

    With `blank` the areas are empty pages, for what has nothing to do with them.

    `folder` is a place for its vault: there is nothing in it but the file that says that it is one.
    """
    engine.answers.setdefault(GetStatus, status())
    engine.answers.setdefault(GetSetup, checklist())
    if vault:
        folder.mkdir(exist_ok=True)
        (folder / "vault.toml").touch()
    app = MunimentApp(engine.doors.connect, folder, area=area, **options)
    if blank:
        app._modes.update(dict.fromkeys((one.id for one in AREAS), AreaScreen))
    return app


class SteadyPilot(Pilot[Any]):
    """A pilot that presses one key after another, each when the app has dealt with the one before.

    Textual's own pilot guesses from the processor's load whether the app is done. On a busy machine it
    presses a key before the last one has moved the focus.
    """

    ROUNDS = 3
    """A key posts a message, whose handler posts another: so many queues are emptied in turn."""

    async def press(self, *keys: str) -> None:
        """Press keys; return when the widgets have handled what these set off."""
        for key in keys:
            await super().press(key)
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
    """One SVG a picture, in `snapshots/`, by the name that the test gives it."""

    file_extension = "svg"
    _write_mode = WriteMode.TEXT

    @classmethod
    def dirname(cls, *, test_location: Any) -> str:
        """One folder for all."""
        return str(ROOT / "snapshots")

    @classmethod
    def get_snapshot_name(cls, *, test_location: Any, index: Any = 0) -> str:
        """The name alone."""
        return str(index)

    def discover_snapshots(self, **_: Any) -> Any:
        """None but those that a test compares: others may be of tests that don't run now."""
        from syrupy.data import SnapshotCollections

        return SnapshotCollections()


Compare = Callable[..., None]


@pytest.fixture
def picture(snapshot: SnapshotAssertion, frozen: None) -> Compare:
    """`picture(name, make, script, sizes)` compares what an app shows after a script, at each size.

    `make` makes the app anew for each size; the script may be left out.
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
    """What an app shows after a script, as SVG; what is expected may take a moment to be drawn."""
    taken: list[str] = []

    async def take(pilot: Pilot[Any]) -> None:
        if script is not None:
            await script(pilot)
        await settled(pilot)
        deadline = time.monotonic() + DRAWN
        while (svg := svg_of(pilot.app)) != expected and expected and time.monotonic() < deadline:
            await pilot.pause(0.05)
        taken.append(svg)

    drive(app, take, size)
    return taken[0]


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The wall clock stands still, in UTC; the clock that measures goes on."""
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "COLORTERM", "LC_ALL", "LANG"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    yield
    monkeypatch.undo()
    time.tzset()

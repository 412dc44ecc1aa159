"""The first page: from an empty folder to a vault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment.api import Done, Init
from support.engine_double import EngineDouble
from support.screens import Compare, app_on, drive, shows


def test_the_first_page(picture: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture("first", lambda: app_on(EngineDouble(), Path("/srv/mail"), vault=False, blank=True))


def test_errors_appear_while_typing(picture: Compare, tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("down", *"quill,example")

    picture("first-wrong", lambda: app_on(EngineDouble(), Path("/srv/mail"), vault=False, blank=True), script)


def test_a_vault_is_created_with_keys_alone(tmp_path: Path) -> None:
    engine = EngineDouble({Init: Done(message="Vault made.")})

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press(*"Quill", "down", *"Quill.example", "enter")
        await shows(pilot, "Vault made.")
        assert pilot.app.current_mode == "home"

    drive(app_on(engine, tmp_path / "new", vault=False, blank=True), script)
    assert Init(domains=("quill.example",), name="Quill", sign=True) in engine.asked

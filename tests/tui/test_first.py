"""The first page: from an empty folder to a vault."""

from __future__ import annotations

from pathlib import Path

from muniment.api import Done, Init
from support.engine_double import EngineDouble
from support.screens import app_on, drive, shows


def test_the_first_page(picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture("first", lambda: app_on(EngineDouble(), Path("/srv/mail"), vault=False, blank=True))


def test_errors_appear_while_typing(picture, tmp_path):
    async def script(pilot):
        await pilot.press("down", *"quill,example")

    picture("first-wrong", lambda: app_on(EngineDouble(), Path("/srv/mail"), vault=False, blank=True), script)


def test_a_vault_is_created_with_keys_alone(tmp_path):
    engine = EngineDouble({Init: Done(message="Vault made.")})

    async def script(pilot):
        await pilot.press(*"Quill", "down", *"Quill.example", "enter")
        await shows(pilot, "Vault made.")
        assert pilot.app.current_mode == "setup"

    drive(app_on(engine, tmp_path / "new", vault=False, blank=True), script)
    assert Init(domains=("quill.example",), name="Quill") in engine.asked

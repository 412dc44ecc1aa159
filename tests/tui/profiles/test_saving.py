"""What is typed into the profile form while the service saves it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec

from muniment.api import CheckProfile, Done, ListProfiles, Problems, Profiles, ProfileWord, PutProfile
from muniment_tui.profiles.form import ProfileForm
from support.engine_double import EngineDouble
from support.screens import app_on, drive, shows, until

BEFORE = ProfileWord(
    name="hq",
    source="gateway",
    fields={"host": "gw", "mailbox": "mbx-1", "password": {"file": "secrets/hq"}},
    version="1",
)


def put(double: EngineDouble) -> list[PutProfile]:
    return [one for one in double.asked if isinstance(one, PutProfile)]


def test_what_is_typed_while_a_profile_is_saved_is_kept(tmp_path: Path) -> None:
    double = EngineDouble(
        {
            ListProfiles: Profiles(profiles=(BEFORE,), version="1"),
            CheckProfile: Problems(tested=True),
            PutProfile: Done(message="saved"),
        }
    )
    answered = double.held[PutProfile] = threading.Event()

    async def script(pilot: Any) -> None:
        await shows(pilot, "mbx-1")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProfileForm))
        editor = pilot.app.screen.editor
        editor._entries["host"].entry().focus()
        await pilot.press("2", "f2")
        await until(pilot, lambda: put(double))
        saved = msgspec.structs.replace(BEFORE, fields=BEFORE.fields | {"host": "gw2"}, version="2")
        double.answers[ListProfiles] = Profiles(profiles=(saved,), version="2")
        await pilot.press("3")
        answered.set()
        await until(pilot, lambda: editor.draft.version == "2")
        assert isinstance(pilot.app.screen, ProfileForm)
        assert editor.unsaved == "your changes to profile hq"
        await pilot.press("f2")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ProfileForm))

    drive(app_on(double, tmp_path / "vault", area="profiles"), script)
    assert [(one.fields, one.version) for one in put(double)] == [
        ({"host": "gw2"}, "1"),
        ({"host": "gw23"}, "2"),
    ]

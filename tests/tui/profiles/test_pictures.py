"""Pictures of the Profiles screens in each of their states."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from muniment.api import (
    Certificate,
    CheckProfile,
    Done,
    ListProfiles,
    Problems,
    Profiles,
    ProfileState,
    ProfileWord,
    PutProfile,
    Request,
    RunsState,
    Step,
    WatchRuns,
    WireWord,
)
from muniment.api import TestProfile as TryProfile
from muniment.errors import CertificateRefused, SettingsChanged
from muniment.profiles.registry import KIND, KINDS
from muniment_tui.app import MunimentApp
from muniment_tui.profiles.draft import ProfileDraft
from muniment_tui.profiles.form import ProfileForm
from support.engine_double import Answer, EngineDouble
from support.screens import LARGE, NOW, SMALL, Compare, app_on, shows

VAULT = Path("/srv/mail")
HQ = ProfileWord(
    name="headquarters",
    source="gateway",
    fields={
        "host": "gw.provider.example",
        "mailbox": "mbx-0123456789abcdef",
        "password": {"file": "secrets/hq"},
    },
    version="1",
)
PROFILES = (
    HQ,
    ProfileWord(
        name="branch", source="gateway", version="1",
        fields={
            "host": "gw2.example", "mailbox": "mbx-77", "password": {"env": "GW"}, "delete": False,
            "every": 60,
        },
    ),
    ProfileWord(
        name="old-archive", source="mbox", fields={"path": "/srv/old.mbox", "enabled": False}, version="1"
    ),
)  # fmt: skip
LAST: tuple[dict[str, Any] | None, ...] = (
    {"state": "ok", "new": 1200},
    {"state": "failed", "error": "gw2.example:110 refused the name mbx-77 or its password."},
    None,
)  # fmt: skip
STEPS: list[WireWord | BaseException] = [
    Step(text="profile headquarters is complete; the password is available"),
    Step(text="gw.provider.example is 192.0.2.7"),
    Step(text="connected to 192.0.2.7, port 110"),
]
SEEN = Certificate(
    subject="CN=gw.provider.example",
    issuer="CN=gw.provider.example",
    expires=1_798_761_600,
    fingerprint="5f" * 32,
    self_signed=True,
    trusted=True,
)
REFUSED = "The certificate of gw.provider.example:110 was issued by an authority that is not trusted here."


def engine(profiles: tuple[ProfileWord, ...] = PROFILES) -> EngineDouble:
    states = tuple(
        ProfileState(
            name=one.name,
            source=one.source,
            enabled=True,
            every=300,
            next_start=NOW + 120,
            last=last and last | {"ended": NOW - 180},
        )
        for one, last in zip(profiles, LAST, strict=False)
    )
    known: dict[type[Request], Answer] = {
        ListProfiles: Profiles(profiles=profiles, version="1"),
        WatchRuns: [RunsState(profiles=states, log=())],
        CheckProfile: Problems(),
    }
    return EngineDouble(known)


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """A function that creates the app on a double of the engine, in Profiles."""

    def made(double: EngineDouble | None = None) -> MunimentApp:
        return app_on(double or engine(), tmp_path / "vault", area="profiles")

    return made


def test_empty(picture: Compare, make: Any) -> None:
    picture("profiles-empty", lambda: make(engine(())))


def test_list(picture: Compare, make: Any) -> None:
    async def second(pilot: Pilot[Any]) -> None:
        await shows(pilot, "ok, 1,200 new")
        await pilot.press("down")

    picture("profiles-list", make, second, (SMALL, LARGE, (200, 60)))


def test_kinds(picture: Compare, make: Any) -> None:
    picture("profiles-kinds", make, lambda pilot: pilot.press("a"), (SMALL,))


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_form(picture: Compare, make: Any, kind: str) -> None:
    async def form(pilot: Pilot[Any]) -> None:
        pilot.app.push_screen(ProfileForm(ProfileDraft(KIND[kind])))
        await shows(pilot, "New profile")
        await pilot.press("f4")

    picture(f"profile-{kind}", make, form, (SMALL, LARGE) if kind == "gateway" else (SMALL,))


def test_invalid(picture: Compare, make: Any) -> None:
    async def wrong(pilot: Pilot[Any]) -> None:
        await pilot.press("a", "enter")
        await pilot.press(
            *"head office", "down", *"gw/1", "down", *"mbx-1@gw.example", "down", "down", "down", "right"
        )
        await pilot.press("f2")

    picture("profile-invalid", make, wrong)


WORKS = [*STEPS, SEEN, Step(text="logged in as mbx-0123456789abcdef"), Step(text="listed 42 messages")]
WORKS.append(Done(message="Profile headquarters works."))
UNKNOWN = [*STEPS, msgspec.structs.replace(SEEN, trusted=False), CertificateRefused(REFUSED)]


@pytest.mark.parametrize(("name", "words"), [("tested", WORKS), ("refused", UNKNOWN)])
def test_tested(picture: Compare, make: Any, name: str, words: Any) -> None:
    async def form(pilot: Pilot[Any]) -> None:
        await pilot.press("enter", "f5")
        await shows(pilot, "works." if name == "tested" else "Press p")

    picture(f"profile-{name}", lambda: make(_with({TryProfile: words})), form)


def test_testing(picture: Compare, make: Any) -> None:
    over = threading.Event()

    def halting(request: Request) -> Iterator[WireWord]:
        yield from (word for word in STEPS if isinstance(word, WireWord))
        over.wait(60)

    async def form(pilot: Pilot[Any]) -> None:
        await pilot.press("enter", "f5")
        await shows(pilot, "port 110")

    try:
        picture("profile-testing", lambda: make(_with({TryProfile: halting})), form, (SMALL,))
    finally:
        over.set()


def test_conflict(picture: Compare, make: Any) -> None:
    changed = ProfileWord(
        name="headquarters",
        source="gateway",
        fields=HQ.fields | {"host": "gw9.example", "every": 60},
        version="2",
    )

    def made() -> MunimentApp:
        double = _with({PutProfile: SettingsChanged("changed")})
        app: MunimentApp = make(double)
        return app

    async def save(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, MunimentApp)
        await pilot.press("enter", "down")
        await pilot.press("x", "f4", "f4")
        double = app.engine._connect(VAULT)
        assert isinstance(double, EngineDouble)
        double.answers[ListProfiles] = Profiles(profiles=(changed,), version="2")
        await pilot.press("f2")
        await shows(pilot, "was edited")

    picture("profile-conflict", made, save)


def test_unsaved(picture: Compare, make: Any) -> None:
    async def leave(pilot: Pilot[Any]) -> None:
        await pilot.press("enter", "x", "escape")

    picture("profile-unsaved", make, leave, (SMALL,))


def test_remove(picture: Compare, make: Any) -> None:
    async def remove(pilot: Pilot[Any]) -> None:
        await pilot.press("x")

    picture("profiles-remove", make, remove)


def _with(answers: dict[type[Request], Any]) -> EngineDouble:
    double = engine()
    double.answers.update(answers)
    return double

"""No request, setting or draft shows a secret by `repr`, so that none reaches a log or a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from muniment import api
from muniment.api.base import Request
from muniment.config.file import interpret
from muniment.notify.ways import ways
from muniment.system.discreet import Discreet
from muniment_tui.profiles.draft import ProfileDraft
from muniment_tui.settings.draft import SettingsDraft

SECRET = "hunter2"
URL = f"json://ines:{SECRET}@hooks.example/{SECRET}"


def kinds() -> list[type[Request]]:
    return sorted(Request.__subclasses__(), key=lambda kind: kind.__name__)


def holds_free_values(kind: type[Request]) -> bool:
    """Whether a request has a password, or values of any type, which may be addresses with a password."""
    hints = get_type_hints(kind)
    free = dict[str, Any]
    return "password" in hints or any(hint == free or free in get_args(hint) for hint in hints.values())


def test_each_request_that_may_hold_a_secret_is_discreet() -> None:
    found = [kind for kind in kinds() if holds_free_values(kind)]
    assert {api.PutProfile, api.CheckProfile, api.TestProfile, api.PutSettings, api.CheckSettings} <= {*found}
    assert [kind.__name__ for kind in found if not issubclass(kind, Discreet)] == []


@pytest.mark.parametrize("kind", [kind for kind in kinds() if holds_free_values(kind)])
def test_a_request_shows_no_secret(kind: type[Request]) -> None:
    given = {
        "name": "box",
        "password": SECRET,
        "fields": {"password": SECRET},
        "values": {"notify.urls": [URL]},
    }
    names = {field.name for field in msgspec.structs.fields(kind)}
    request = kind(**{name: value for name, value in given.items() if name in names})
    assert SECRET not in f"{request!r} {request} {[request]!r}"
    assert not [part for part in request.__rich_repr__() if SECRET in repr(part)]


def test_settings_and_ways_show_no_secret(tmp_path: Path) -> None:
    toml = f'[notify]\nurls = ["{URL}"]\n[notify.command]\nrun = ["page", "{SECRET}"]\n'
    settings = interpret(toml, "vault.toml")
    found = ways(settings.notify, tmp_path)
    assert len(found) == 2
    assert SECRET not in repr((settings, settings.notify, settings.notify.command, found))
    assert all(SECRET not in way.name for way in found)


def test_drafts_of_forms_show_no_secret() -> None:
    group = api.SettingsGroup(id="notify", title="Notifications", help="", settings=())
    drafts = (
        SettingsDraft(group, typed={"notify.urls": URL}, password=SECRET),
        ProfileDraft(kind=_kind(), typed={"host": SECRET}, password=SECRET),
    )
    assert SECRET not in repr(drafts)


def _kind() -> Any:
    from muniment.profiles.registry import KIND

    return KIND["imap"]

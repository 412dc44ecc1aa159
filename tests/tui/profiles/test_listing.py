"""The rows and details of profiles, without a screen."""

from __future__ import annotations

from typing import Any

import pytest
from textual.content import Content

from muniment.api import ProfileState, ProfileWord
from muniment_tui.profiles.listing import details, last_run, mailbox, row_of
from support.words import progress

GW = ProfileWord(
    name="gw", source="gateway", fields={"host": "gw.example", "mailbox": "mbx-1", "password": {"env": "P"}}
)


def state(**changes: Any) -> ProfileState:
    return ProfileState(name="gw", source="gateway", enabled=True, every=300, **changes)


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (None, ""),
        (state(), "never ran"),
        (state(running=progress(), last={"state": "failed"}), "▶ running"),
        (state(last={"state": "ok", "new": 1234}), "✓ ok, 1,234 new"),
        (state(last={"state": "failed", "new": 3}), "✗ failed"),
        (state(running=progress(stage="waiting")), "… queued"),
        (state(last={"state": "unheard of"}), "! unheard of"),
        (state(last={"state": "cancelled"}), "■ cancelled"),
    ],
)
def test_the_result_of_the_last_run(known: ProfileState | None, text: str) -> None:
    assert last_run(known).plain.strip() == text


def test_a_row() -> None:
    assert row_of(GW, None).cells == ("gw", "gateway", "gw.example mbx-1", "every 300 s", Content())
    off = ProfileWord(name="old", source="mbox", fields={"path": "/srv/x.mbox", "enabled": False})
    assert (row_of(off, None).cells[2:4], row_of(off, None).style) == (
        ("/srv/x.mbox", "by hand"),
        "$secondary",
    )
    assert mailbox(ProfileWord(name="s", source="spool", fields={})) == "the spool of this vault"


def test_details_show_settings_and_errors() -> None:
    failed = state(last={"state": "failed", "error": "no such host"}, next_start=1_767_614_400)
    shown = details(GW, failed).plain
    for text in ("env P", "Delete after archiving   yes", "Next run", "✗ no such host"):
        assert text in shown
    kept = ProfileWord(name="gw", source="gateway", fields={**GW.fields, "delete": False})
    assert "! mail stays at the gateway" in details(kept, None).plain

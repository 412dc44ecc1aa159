"""What the list says of a profile, tried without a screen."""

from __future__ import annotations

from typing import Any

import pytest

from muniment.api import ProfileState, ProfileWord
from muniment_tui.profiles.listing import details, last_run, mailbox, row_of
from support.words import progress

GW = ProfileWord(
    name="gw", source="gateway", fields={"host": "gw.example", "mailbox": "mbx-1", "password": {"env": "P"}}
)


def state(**changes: Any) -> ProfileState:
    return ProfileState(name="gw", source="gateway", enabled=True, every=300, **changes)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, ""),
        (state(), "never ran"),
        (state(running=progress(), last={"state": "failed"}), "▸ running"),
        (state(last={"state": "ok", "new": 1234}), "✓ ok, 1,234 new"),
        (state(last={"state": "failed", "new": 3}), "✗ failed"),
        (state(last={"state": "cancelled"}), "! cancelled"),
    ],
)
def test_how_the_last_run_ended(known: ProfileState | None, said: str) -> None:
    assert last_run(known) == said


def test_a_row() -> None:
    assert row_of(GW, None).cells == ("gw", "gateway", "gw.example mbx-1", "every 300 s", "")
    off = ProfileWord(name="old", source="mbox", fields={"path": "/srv/x.mbox", "enabled": False})
    assert (row_of(off, None).cells[2:4], row_of(off, None).style) == (("/srv/x.mbox", "by hand"), "dim")
    assert mailbox(ProfileWord(name="s", source="spool", fields={})) == "this vault's own spool"


def test_details_say_what_counts_and_what_went_wrong() -> None:
    failed = state(last={"state": "failed", "error": "no such host"}, next_start=1_767_614_400)
    said = details(GW, failed).plain
    for text in ("env P", "Delete after archiving   yes", "Next run", "✗ no such host"):
        assert text in said
    kept = ProfileWord(name="gw", source="gateway", fields={**GW.fields, "delete": False})
    assert "! mail stays at the gateway" in details(kept, None).plain

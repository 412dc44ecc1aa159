"""The table of a profile's fields: defaults can be written explicitly, as any kind of list."""

from __future__ import annotations

import pytest

from muniment.profiles.fields import UNWANTED
from muniment.profiles.registry import KIND
from muniment.profiles.source_kind import problems

LOGIN = {"host": "mail.example.org", "mailbox": "bob", "password": {"file": "secret"}}


@pytest.mark.parametrize("kind", ["gateway", "imap", "pop3"])
@pytest.mark.parametrize("form", [list, tuple])
def test_a_default_can_be_written_explicitly(kind: str, form: type) -> None:
    fields = LOGIN | {"journal": True, "folders": form(()), "exclude": form(UNWANTED)}
    assert problems(KIND[kind], fields) == {}
    assert "exclude" in problems(KIND[kind], fields | {"exclude": form(("@junk",))})

"""Folders of an ordinary mailbox: their titles, what they are for, and which are wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.sources.folders import Choice, Folder, Use, levels, title, use_by_name


@given(st.lists(st.text(), min_size=1).map(tuple))
def test_a_title_gives_back_any_names(names: tuple[str, ...]) -> None:
    assert levels(title(names)) == names


def test_a_title_looks_like_a_path() -> None:
    assert title(("Projects", "2026")) == "Projects/2026"
    assert title(("a/b", "c\\d", "%2F")) == r"a\/b/c\\d/%2F"


@pytest.mark.parametrize(
    ("names", "use"),
    [
        (("INBOX",), Use.INBOX),
        (("Gesendete Elemente",), Use.SENT),
        (("INBOX", "Éléments envoyés"), Use.SENT),
        (("[Gmail]", "Papierkorb"), Use.DELETED),
        (("送信済みアイテム",), Use.SENT),
        (("Черновики",), Use.DRAFTS),
        (("Спам",), Use.JUNK),
        (("Projects", "Sent"), Use.NONE),
        (("Invoices",), Use.NONE),
    ],
)
def test_well_known_folders_are_recognised_by_name(names: tuple[str, ...], use: Use) -> None:
    assert use_by_name(names) is use


def test_inbox_and_sent_have_the_same_title_in_every_language() -> None:
    assert Folder(("Posteingang",), Use.INBOX).title == "Inbox"
    assert Folder(("Gesendete Elemente",), Use.SENT).title == "Sent"
    assert Folder(("Archiv", "2026")).title == "Archiv/2026"


JUNK = Folder(("Spam",), Use.JUNK)
BELOW = Folder(("Spam", "Kept"))
PROJECTS = Folder(("Projects",))
ALPHA = Folder(("Projects", "Alpha [old]"))


@pytest.mark.parametrize(
    ("choice", "folder", "above", "wanted"),
    [
        (Choice(), PROJECTS, (), True),
        (Choice(), JUNK, (), False),
        (Choice(), BELOW, (JUNK,), False),
        (Choice(leave_out=()), JUNK, (), True),
        (Choice(take=("@junk",)), JUNK, (), True),
        (Choice(take=("@junk",)), BELOW, (JUNK,), True),
        (Choice(take=("Projects",)), Folder(("Projects", "Bin"), Use.DELETED), (PROJECTS,), False),
        (Choice(take=("*",)), JUNK, (), False),
        (Choice(take=("*",)), PROJECTS, (), True),
        (Choice(take=("spam",)), JUNK, (), True),
        (Choice(take=("Projects",)), ALPHA, (PROJECTS,), True),
        (Choice(take=("Projects",)), JUNK, (), False),
        (Choice(take=("projects/alpha [old]",)), ALPHA, (PROJECTS,), True),
        (Choice(take=("proj*",), leave_out=("*/Alpha*",)), ALPHA, (PROJECTS,), False),
        (Choice(take=("@",)), PROJECTS, (), False),
    ],
)
def test_patterns_choose_folders(
    choice: Choice, folder: Folder, above: tuple[Folder, ...], wanted: bool
) -> None:
    assert choice.wants(folder, above) is wanted

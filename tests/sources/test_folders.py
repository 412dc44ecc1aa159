"""Folders of an ordinary mailbox: their titles, what they are for, and which are wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.sources.folders import FolderChoice, FolderUse, MailFolder, levels, title, use_by_name


@given(st.lists(st.text(), min_size=1).map(tuple))
def test_a_title_gives_back_any_names(names: tuple[str, ...]) -> None:
    assert levels(title(names)) == names


def test_a_title_looks_like_a_path() -> None:
    assert title(("Projects", "2026")) == "Projects/2026"
    assert title(("a/b", "c\\d", "%2F")) == r"a\/b/c\\d/%2F"


@pytest.mark.parametrize(
    ("names", "use"),
    [
        (("INBOX",), FolderUse.INBOX),
        (("Gesendete Elemente",), FolderUse.SENT),
        (("INBOX", "Éléments envoyés"), FolderUse.SENT),
        (("[Gmail]", "Papierkorb"), FolderUse.DELETED),
        (("送信済みアイテム",), FolderUse.SENT),
        (("Черновики",), FolderUse.DRAFTS),
        (("Спам",), FolderUse.JUNK),
        (("Projects", "Sent"), FolderUse.NONE),
        (("Invoices",), FolderUse.NONE),
    ],
)
def test_well_known_folders_are_recognised_by_name(names: tuple[str, ...], use: FolderUse) -> None:
    assert use_by_name(names) is use


def test_inbox_and_sent_have_the_same_title_in_every_language() -> None:
    assert MailFolder(("Posteingang",), FolderUse.INBOX).title == "Inbox"
    assert MailFolder(("Gesendete Elemente",), FolderUse.SENT).title == "Sent"
    assert MailFolder(("Archiv", "2026")).title == "Archiv/2026"


JUNK = MailFolder(("Spam",), FolderUse.JUNK)
BELOW = MailFolder(("Spam", "Kept"))
PROJECTS = MailFolder(("Projects",))
ALPHA = MailFolder(("Projects", "Alpha [old]"))


@pytest.mark.parametrize(
    ("choice", "folder", "above", "wanted"),
    [
        (FolderChoice(), PROJECTS, (), True),
        (FolderChoice(), JUNK, (), False),
        (FolderChoice(), BELOW, (JUNK,), False),
        (FolderChoice(leave_out=()), JUNK, (), True),
        (FolderChoice(take=("@junk",)), JUNK, (), True),
        (FolderChoice(take=("@junk",)), BELOW, (JUNK,), True),
        (
            FolderChoice(take=("Projects",)),
            MailFolder(("Projects", "Bin"), FolderUse.DELETED),
            (PROJECTS,),
            False,
        ),
        (FolderChoice(take=("*",)), JUNK, (), False),
        (FolderChoice(take=("*",)), PROJECTS, (), True),
        (FolderChoice(take=("spam",)), JUNK, (), True),
        (FolderChoice(take=("Projects",)), ALPHA, (PROJECTS,), True),
        (FolderChoice(take=("Projects",)), JUNK, (), False),
        (FolderChoice(take=("projects/alpha [old]",)), ALPHA, (PROJECTS,), True),
        (FolderChoice(take=("proj*",), leave_out=("*/Alpha*",)), ALPHA, (PROJECTS,), False),
        (FolderChoice(take=("@",)), PROJECTS, (), False),
    ],
)
def test_patterns_choose_folders(
    choice: FolderChoice, folder: MailFolder, above: tuple[MailFolder, ...], wanted: bool
) -> None:
    assert choice.wants(folder, above) is wanted

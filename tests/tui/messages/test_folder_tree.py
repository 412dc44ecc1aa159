"""The nodes of the tree of users and folders."""

from __future__ import annotations

from muniment.api import Tree, UserFolders
from muniment_tui.messages.folder_tree import nodes
from muniment_tui.widgets.rows import RowList


def user(address: str, name: str) -> UserFolders:
    return UserFolders(user=address, name=name, folders=())


def test_only_namesakes_have_their_addresses_beside_the_name() -> None:
    """In a narrow tree an address would be cut. A wide one has a column for it."""
    users = (user("ada@a.example", "Ada Quill"), user("bob@a.example", "Bob"), user("bob@b.example", "Bob"))
    _, ada, bob, other = nodes(Tree(users=(*users, user("bot@a.example", ""))))[:4]
    assert [RowList.cell(one.label).plain for one in (ada, bob, other)] == [
        "Ada Quill",
        "Bob  bob@a.example",
        "Bob  bob@b.example",
    ]
    assert [RowList.cell(one.detail).plain for one in (ada, bob)] == ["ada@a.example", ""]


def test_a_node_is_found_by_its_address() -> None:
    named, unnamed = nodes(Tree(users=(user("ada@a.example", "Ada Quill"), user("bot@a.example", ""))))[1:]
    assert named.words == "Ada Quill ada@a.example"
    assert unnamed.words.strip() == "bot@a.example"
    assert not nodes(Tree(users=()))

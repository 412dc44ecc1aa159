"""The tree of users and their folders, as nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from muniment.api import Tree, UserFolders
from muniment.system.formatting import count
from muniment_tui.terminal.safe_text import joined
from muniment_tui.widgets.tree import TreeNode

CATCH_ALL = "catch-all"


class TreePlace(Struct, frozen=True):
    """The object of a node: a folder, a user (no folder), or all mail (neither)."""

    user: str = ""
    folder: str = ""

    @property
    def title(self) -> str:
        """The text that names it."""
        if self.folder:
            return f"{self.folder} of {self.user}"
        return self.user or "All mail"


def nodes(tree: Tree) -> list[TreeNode]:
    """A node for all mail and one for each user. Folders are added when a user's node is opened."""
    if not tree.users:
        return []
    named = Counter(user.name for user in tree.users)
    return [
        TreeNode("", "All mail", value=TreePlace()),
        *(_user(user, named[user.name] > 1) for user in tree.users),
    ]


def _user(user: UserFolders, namesake: bool) -> TreeNode:
    """The node of a user. One of several with the same name has the address beside it."""
    address = (user.user, "$secondary" if user.name else "")
    label = (
        joined((user.name, ""), *([address] if namesake else []), gap="  ") if user.name else joined(address)
    )
    return TreeNode(
        user.user,
        label,
        count(sum(folder.count for folder in user.folders)),
        (TreePlace(user.user), user.folders),
        children=None,
        detail=joined(address) if user.name and not namesake else "",
    )


def folders(node: TreeNode) -> Iterator[TreeNode]:
    """The folders of a user's node, Inbox and Sent first."""
    place, known = node.value
    usual = {"Inbox": 0, "Sent": 1}
    for folder in sorted(known, key=lambda one: (usual.get(one.name, 2), one.name.casefold())):
        key = f"{place.user}/{folder.name}"
        number = count(folder.count)
        yield TreeNode(key, folder.name, number, TreePlace(place.user, folder.name))


def place_of(node: TreeNode) -> TreePlace:
    """The place of a node."""
    place: TreePlace = node.value if isinstance(node.value, TreePlace) else node.value[0]
    return place

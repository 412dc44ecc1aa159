"""A tree that loads the children of a node when the node is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from msgspec import Struct, field
from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from muniment_tui.actions.registry import Action, actions
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.rows import GUTTER, Cell, ListRow, RowList


class TreeNode(Struct, eq=False):
    """A node of a tree."""

    key: str
    label: Cell
    note: Cell = ""
    """Text at the right, such as a count."""
    value: Any = None
    children: list[TreeNode] | None = field(default_factory=list)
    """None if the children are not loaded yet."""
    open: bool = False
    level: int = 0
    above: TreeNode | None = None
    detail: Cell = ""
    """More about it, in a column that a wide tree has."""

    @property
    def leaf(self) -> bool:
        """Whether the node has no children."""
        return self.children is not None and not self.children

    @property
    def words(self) -> str:
        """The text that a filter matches."""
        return " ".join(one if isinstance(one, str) else one.plain for one in (self.label, self.detail))


class LazyTree(RowList):
    """A tree of up to some thousands of nodes."""

    HELP = "→ opens a branch, ← closes it. Enter opens the entry at the cursor."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("tree.unfold", "right,l,plus", "Open branch", "Show the entries below."),
            Action("tree.fold", "left,h,minus", "Close branch", "Hide the entries below, or go up."),
        )
    ]

    class Unfolded(Message):
        """A node was opened whose children are not loaded. The receiver loads them and calls `put`."""

        def __init__(self, tree: LazyTree, node: TreeNode) -> None:
            super().__init__()
            self.tree, self.node = tree, node

        @property
        def control(self) -> LazyTree:
            return self.tree

    def __init__(
        self,
        *,
        note_width: int = 9,
        detail_since: int = 0,
        empty: Content | None = None,
        id: str | None = None,
    ) -> None:
        """`detail_since` is the width from which the column of details is shown; 0 for none."""
        details = [ListColumn("", share=2, since=detail_since)] if detail_since else []
        columns = [ListColumn(""), *details, ListColumn("", note_width, right=True)]
        super().__init__(columns, titles=False, empty=empty, id=id)
        self._roots: list[TreeNode] = []
        self._seen: list[TreeNode] = []
        self._filter = ""

    @property
    def count(self) -> int:
        """The number of visible nodes."""
        return len(self._seen)

    @property
    def node(self) -> TreeNode | None:
        """The node at the cursor, or None."""
        return self._seen[self.cursor] if self._seen else None

    def row(self, index: int) -> ListRow | None:
        node = self._seen[index]
        sign = "  " if node.leaf else ("▾ " if node.open else "▸ ")
        label = Content.assemble("  " * node.level + sign, self.cell(node.label))
        details = (node.detail,) if len(self.columns) > 2 else ()
        return ListRow(node.key, (label, *details, node.note), node)

    def show(self, roots: Sequence[TreeNode]) -> None:
        """Show another tree. Open nodes and the cursor are kept, by their keys."""
        opened = {node.key for node in walk(self._roots) if node.open}
        self._roots = list(roots)
        for node in walk(self._roots):
            node.open = node.open or node.key in opened
        self._settle()

    def put(self, node: TreeNode, children: Sequence[TreeNode]) -> None:
        """Add the loaded children of a node."""
        node.children = list(children)
        self._settle()

    def narrow(self, words: str) -> int:
        """Show only roots that contain `words`, in themselves or below. Returns the number of visible
        nodes."""
        self._filter = words.casefold()
        self._settle()
        return self.count

    def go_to(self, key: str) -> bool:
        """Move the cursor to a visible node. Returns False if there is none with this key."""
        for number, node in enumerate(self._seen):
            if node.key == key:
                self.cursor = number
                return True
        return False

    def on_click(self, event: events.Click) -> None:
        """Open or close a branch whose sign was clicked. The list takes the rest of the click."""
        index = self.scroll_offset.y + event.y
        if not 0 <= index < self.count:
            return
        node = self._seen[index]
        sign = GUTTER + 2 * node.level
        if not node.leaf and sign <= event.x < sign + 2:
            self.cursor = index
            self.action_fold() if node.open else self.action_unfold()

    def action_unfold(self) -> None:
        """Open the node at the cursor. If it is open, go down."""
        node = self.node
        if node is None or node.leaf:
            return
        if node.open:
            self.action_down()
            return
        node.open = True
        self._settle()
        if node.children is None:
            self.post_message(self.Unfolded(self, node))

    def action_fold(self) -> None:
        """Close the node at the cursor. If it is closed, go to its parent."""
        node = self.node
        if node is None:
            return
        if node.open and not node.leaf:
            node.open = False
            self._settle()
        elif node.above is not None:
            self.go_to(node.above.key)

    def _settle(self) -> None:
        here = self.node.key if self.node else ""
        self._seen = list(self._flat(self._roots, 0, None))
        self.set_reactive(RowList.cursor, next((n for n, one in enumerate(self._seen) if one.key == here), 0))
        self.rows_changed(keep_cursor=True)

    def _flat(self, nodes: Iterable[TreeNode], level: int, above: TreeNode | None) -> Iterator[TreeNode]:
        for node in nodes:
            if level == 0 and self._filter and not _matches(node, self._filter):
                continue
            node.level, node.above = level, above
            yield node
            if node.open and node.children:
                yield from self._flat(node.children, level + 1, node)


def walk(nodes: Iterable[TreeNode]) -> Iterator[TreeNode]:
    """All loaded nodes, from top to bottom."""
    for node in nodes:
        yield node
        yield from walk(node.children or ())


def _matches(node: TreeNode, words: str) -> bool:
    return any(words in one.words.casefold() for one in walk([node]))

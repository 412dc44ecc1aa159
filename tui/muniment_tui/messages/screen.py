"""The Messages area: people, lists and one message, in three panes or one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from muniment.api import GetTree, ListMessages, Search, Tree
from muniment.errors import MunimentError, NotFound, QueryError, ReasonNeeded
from muniment_tui.actions.registry import Action, actions
from muniment_tui.acts.reason_prompt import MailRequests
from muniment_tui.messages import exporting, previewing, restoring
from muniment_tui.messages.conversation import is_conversation, list_title, query_for
from muniment_tui.messages.exporting import MailExport
from muniment_tui.messages.folder_tree import TreePlace, folders, nodes, place_of
from muniment_tui.messages.list_status import list_status
from muniment_tui.messages.listing import Asked
from muniment_tui.messages.previewing import IdCopies, MessagePreview
from muniment_tui.messages.query import LANGUAGE, PeopleFilter, SearchLine, prefix_query
from muniment_tui.messages.quick_filters import FILES, WEEK, from_sender, query_of, toggled
from muniment_tui.messages.reader import ReaderPane
from muniment_tui.messages.restoring import ListJobs, MailRestore
from muniment_tui.messages.result_list import ResultPane
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import RowList
from muniment_tui.widgets.situation import situation
from muniment_tui.widgets.text import TextLines
from muniment_tui.widgets.tree import LazyTree, TreeNode

OF_LIST = ("export", "restore", "by_sender", "thread", "copy_id", "read_on")
"""Actions that need a list with messages."""
PAUSE = 0.25
"""How long typing must pause before the search starts, in seconds."""


class MessagesScreen(ListJobs):
    """The Messages area."""

    AREA = "messages"
    HELP = (
        "Find and read mail. Open a user's folder, or press / and type a query.\n\n"
        f"{LANGUAGE}\n\nEnter goes to the next pane, Esc goes back. The audit trail records what you read."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *exporting.ACTIONS,
        *restoring.ACTIONS,
        *previewing.ACTIONS,
        *actions(
            Action("messages.search-here", "i", "Search here", "Search only the open folder or user."),
            Action(
                "messages.people",
                "f",
                "Filter people",
                "Filter the tree by part of a name or address.",
                words="user address find",
            ),
            Action("messages.reload", "f5", "Reload", "Load new folders and messages."),
            Action("messages.with-files", "A", "With files", "Filter: only messages with attachments."),
            Action("messages.last-week", "W", "Last week", "Filter: only messages of the last 7 days."),
            Action("messages.by-sender", "P", "By this person", "Filter: only mail from this sender."),
            Action(
                "messages.thread",
                "t",
                "Conversation",
                "List the conversation of the message, answers below what they answer.",
                words="thread replies answers",
                footer=4,
            ),
        ),
    ]
    CSS_PATH = None
    DEFAULT_CSS = """
    MessagesScreen {
        #panes { layout: horizontal; }
        #people { width: 27%; min-width: 40; max-width: 60; }
        #people > SafeInput { display: none; }
        #people.-filtering > SafeInput { display: block; }
        #mail { width: 1fr; layout: vertical; }
        #caret { height: auto; padding: 0 1; display: none; }
        #found { height: 2fr; }
        #reader { height: 3fr; }
        &.-wide #people { margin: 0 1 0 0; }
    }
    MessagesScreen.-narrow {
        #people { width: 1fr; max-width: 100%; }
        .-at-people > #mail { display: none; }
        .-at-found > #people, .-at-reader > #people { display: none; }
        .-at-found #reader { display: none; }
        &.-tall .-at-found #reader { display: block; }
        .-at-reader #found, .-at-reader #query, .-at-reader #caret { display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.found, self.reader = ResultPane(self._refused), ReaderPane()
        """The panes of the list and of the message."""
        self.export = MailExport(self, self.found, self.say_list)
        self.restore = MailRestore(self, self.found, self.say_list)
        self.preview = MessagePreview(self, self.found, self.reader)
        self.copies = IdCopies(self, self.found, self.reader)
        self.place: TreePlace | None = None
        """The folder or user that was opened last. Clearing a search returns to it."""
        self._timer: Timer | None = None
        self._whole = ""
        """The text as typed, if the query also matches longer words."""
        self._typed_before = ""
        """The search that a conversation took the place of. Leaving the conversation returns to it."""
        self._reason_due = False
        """Whether Enter in the search line asks for the reason that the search lacks."""

    def inside(self) -> Iterable[Widget]:
        """The three panes."""
        tree = LazyTree(note_width=7, detail_since=64, id="tree")
        yield Container(
            Pane(
                shown("People"),
                PeopleFilter(id="narrowing", placeholder="name or address"),
                tree,
                id="people",
            ),
            Container(
                SearchLine(
                    id="query", placeholder='/ searches all mail:  invoice "red car" from:ada after:2025-03'
                ),
                TextLines(id="caret"),
                self.found,
                self.reader,
                id="mail",
            ),
            id="panes",
            classes="-at-people",
        )

    def on_mount(self) -> None:
        """Load the people and folders."""
        self._go("people")
        self.people.empty = situation("…", "$primary", "Loading the people")
        self._read_tree()

    @property
    def people(self) -> LazyTree:
        """The tree of users and folders."""
        return self.query_one("#tree", LazyTree)

    @property
    def line(self) -> SearchLine:
        """The line for the search."""
        return self.query_one("#query", SearchLine)

    # --- one pane or three --------------------------------------------------------------------

    def _go(self, pane: str) -> None:
        """Focus a pane, and show it if there is room for only one."""
        self._show(pane)
        if pane == "people":
            self.people.focus()
        elif pane == "found":
            self.found.rows.focus()
        else:
            self.reader.focus_inside()

    def _show(self, pane: str) -> None:
        at = {f"-at-{name}": name == pane for name in ("people", "found", "reader")}
        self.query_one("#panes").update_classes(at)

    @on(events.DescendantFocus)
    def _follow(self, event: events.DescendantFocus) -> None:
        """Show the pane that received the focus, for example by Tab."""
        for node in event.widget.ancestors_with_self:
            if node.id in ("people", "found", "reader"):
                self._show(node.id)
        if event.widget is self.line:
            self._show("found")

    def action_back(self) -> None:
        """Go back: from a document to the message, to the list, to the people."""
        focused = self.focused
        around = [node.id for node in focused.ancestors_with_self] if focused else []
        MailRequests(self).clear_notice()
        if self.muniment.notice is not None or not around:
            super().action_back()
        elif "reader" in around:
            if not self.reader.leave():
                self._go("found")
        elif "found" in around and self.line.value:
            self.leave_search()
        elif "found" in around:
            self._go("people")
        else:
            super().action_back()

    # --- people -------------------------------------------------------------------------------

    def _read_tree(self) -> None:
        MailRequests(self).read(GetTree(), Tree, self._tree_came, failed=self._no_tree)

    def _tree_came(self, tree: Tree) -> None:
        if not tree.users:
            self.people.empty = situation(
                "○",
                "$secondary",
                "No mail is archived yet",
                "Press 3 for Runs, which fetch mail,\nor 1 for Setup.",
            )
        self.people.show(nodes(tree))
        self.query_one("#people", Pane).set_count(len(tree.users) or None)
        if len(tree.users) == 1:
            self.people.cursor = 1
            self.people.action_unfold()

    def _no_tree(self, error: MunimentError) -> None:
        self.people.empty = situation("✗", "$error", "The people can't be loaded", str(error))
        self.muniment.refuse(error)

    @on(LazyTree.Unfolded)
    def _unfolded(self, event: LazyTree.Unfolded) -> None:
        self.people.put(event.node, list(folders(event.node)))

    @on(RowList.Opened, "#tree")
    def _chosen(self, event: RowList.Opened) -> None:
        node = event.row.value if event.row else None
        if isinstance(node, TreeNode):
            place = place_of(node)
            if place.user and not place.folder:
                self.people.action_fold() if node.open else self.people.action_unfold()
            else:
                self._open(place)

    def _open(self, place: TreePlace) -> None:
        self.place = place
        self.line.value = ""
        self._list(self._request(place))
        self._go("found")

    @staticmethod
    def _request(place: TreePlace) -> Asked:
        if place.folder:
            return ListMessages(user=place.user, folder=place.folder)
        return Search(query="", user=place.user)

    def action_people(self) -> None:
        """Filter the people."""
        self._show("people")
        self.query_one("#people").add_class("-filtering")
        self.query_one(PeopleFilter).focus()

    @on(Input.Changed, "#narrowing")
    def _narrow(self, event: Input.Changed) -> None:
        self.people.narrow(event.value.strip())

    @on(Input.Submitted, "#narrowing")
    def _narrowed(self, event: Input.Submitted) -> None:
        self.query_one("#people").set_class(bool(event.value), "-filtering")
        self.people.focus()

    # --- searching ----------------------------------------------------------------------------

    def action_find(self) -> None:
        """Search all mail."""
        self._show("found")
        self.line.focus()

    def action_search_here(self) -> None:
        """Search the open folder or user."""
        node = self.people.node
        place = (place_of(node) if self.people.has_focus and node else self.place) or TreePlace()
        here = query_of(place)
        self.action_find()
        self.line.value = f"{here} " if here else ""
        self.line.action_end()

    @on(Input.Changed, "#query")
    def _typing(self, event: Input.Changed) -> None:
        """Start the search after typing pauses."""
        if self._timer is not None:
            self._timer.stop()
        self._caret(None)
        if self.line.has_focus:
            self._typed_before = ""
            self._timer = self.set_timer(PAUSE, self._search)

    def _search(self) -> None:
        self._timer = None
        typed, query = self.line.value.strip(), prefix_query(self.line.value)
        self._whole = typed if query != typed else ""
        if typed:
            self._list(Search(query=query))
        else:
            self._show_last_place()

    def _show_last_place(self) -> None:
        """Show what was open before the search."""
        if self.place is not None:
            self._list(self._request(self.place))
        else:
            self.found.rest()
            self.say(Content())

    @on(Input.Submitted, "#query")
    def _entered(self, event: Input.Submitted) -> None:
        due = self._timer is not None or self._reason_due
        if self._timer is not None:
            self._timer.stop()
        self._show("found")
        self.set_focus(self.found.rows)  # at once: no reason is asked for while the line has the focus
        if due:
            self._search()

    @on(SearchLine.SearchLeft)
    def leave_search(self) -> None:
        """Clear the search and show what was open before: of a conversation, the search before it."""
        before, self._typed_before = self._typed_before, ""
        if before and is_conversation(self.line.value):
            self._search_for(before)
            return
        searched = bool(self.line.value)
        self.line.value = ""
        self._caret(None)
        if searched:
            self._show_last_place()
        self._go("found" if self.place is not None else "people")

    def _caret(self, error: QueryError | None) -> None:
        """Point to the position of a query error, below the search line."""
        caret = self.query_one("#caret", TextLines)
        caret.display = error is not None
        if error is not None:
            before = shown(error.query[: error.position]).cell_length
            room = max(caret.size.width or self.size.width - 2, 20)
            place = " " * before + "^" if before < room - 1 else "→"
            caret.say(Content("\n").join([shown(place, "bold $error"), shown(str(error), "$error")]))

    # --- the list -----------------------------------------------------------------------------

    def _list(self, request: Asked) -> None:
        self._reason_due = False
        doing = "Searching …" if isinstance(request, Search) else "Opening …"
        self.say(shown(doing, "$secondary"))
        self.found.set_empty("…", "$primary", doing.removesuffix(" …"), "Messages appear here.")
        self.found.open(request)

    def _refused(self, error: MunimentError) -> None:
        if isinstance(error, QueryError) and self._whole:  # too many words have this beginning
            whole, self._whole = self._whole, ""
            self._list(Search(query=whole))
        elif isinstance(error, QueryError):
            self._caret(error)
            self.found.set_empty("✗", "$error", "The query has an error", "The ^ above shows where.")
            self.say(shown("The query has an error.", "$error"))
        elif isinstance(error, NotFound):
            self.say(shown("✗ No such person or folder.", "$error"))
            self.found.set_empty("✗", "$error", "There is no such person or folder", f"{error}.")
        elif not isinstance(error, ReasonNeeded):
            self.say(shown("✗ The list could not be loaded.", "$error"))
            self.found.set_empty("✗", "$error", "The list could not be loaded", str(error))
            self.muniment.refuse(error)
        else:
            self._reason_due = self.line.has_focus
            how = "Enter asks for the reason." if self._reason_due else "Open it again and enter a reason."
            self.say(shown(f"! A reason is required. {how}", "$warning"))
            self.found.set_empty("!", "$warning", "A reason is required", how)

    @on(ResultPane.Changed)
    def say_list(self) -> None:
        """Show the title and the status of the list, and preview the message at its cursor."""
        listing = self.found.listing
        if listing is not None:
            self.found.set_title(shown(list_title(listing.request)))
            if not self.busy and not self.found.waiting:
                self.say(list_status(listing, len(self.found.rows.marked), self.found.all_chosen))
            self.refresh_bindings()
            self.preview.soon()

    @on(RowList.Opened, "#rows")
    def _read_row(self, event: RowList.Opened) -> None:
        listing = self.found.listing
        if event.row is not None and listing is not None and not self.found.waiting:
            self.reader.open(event.row.key, listing.hits.marks)
            self._go("reader")

    @on(ReaderPane.Onward)
    def _onward(self, event: ReaderPane.Onward) -> None:
        """Open the next message after the last hit."""
        if self.found.waiting:
            self.muniment.tell("The list is still loading.")
            return
        row = self.found.rows.current if self.found.step(event.step) else None
        listing = self.found.listing
        if row is None or listing is None:
            self.muniment.tell(
                "This is the last message." if event.step > 0 else "This is the first message."
            )
        else:
            self.reader.open(row.key, listing.hits.marks, from_end=event.step < 0)

    # --- the preview, and copies of ids ----------------------------------------------------------

    @on(RowList.Moved, "#rows")
    def _moved(self) -> None:
        self.preview.soon()

    def action_read_on(self) -> None:
        """Open messages while the cursor moves, or stop doing so."""
        self.preview.toggle()

    def action_copy_id(self) -> None:
        """Copy the id of the message in the reader, or at the cursor of the list."""
        self.copies.copy_id()

    def action_copy_message_id(self) -> None:
        """Copy the Message-ID of the open message."""
        self.copies.copy_message_id()

    # --- quick filters and conversations ------------------------------------------------------

    def action_thread(self) -> None:
        """List the conversation of the message in the reader, or at the cursor of the list."""
        if id_ := self.copies.id:
            if not is_conversation(self.line.value):
                self._typed_before = self.line.value.strip()
            self._search_for(query_for(id_))

    def action_with_files(self) -> None:
        """Add the filter for attachments to the search, or remove it."""
        self._filter(FILES)

    def action_last_week(self) -> None:
        """Add the filter for the last week to the search, or remove it."""
        self._filter(WEEK)

    def action_by_sender(self) -> None:
        """Add the filter for the sender at the cursor to the search, or remove it."""
        row = self.found.rows.current
        condition = from_sender(row.value) if row is not None else ""
        if condition:
            self._filter(condition)
        elif row is not None:
            self.muniment.tell("This sender has no address or name that can be a filter.", "warning")

    def _filter(self, condition: str) -> None:
        here = query_of(self.place or TreePlace())
        query = toggled(self.line.value.strip() or here, condition)
        if query == here and self.place is not None:
            self.leave_search()
        else:
            self._search_for(query)

    def _search_for(self, query: str) -> None:
        """Search, and go to the results."""
        self._show("found")
        self.line.value = query
        self._whole = ""
        self._caret(None)
        if query:
            self._list(Search(query=query))
        else:
            self._show_last_place()
        self._go("found")

    def action_reload(self) -> None:
        """Load the tree and the list again."""
        self._read_tree()
        self.found.again()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available. Actions that have nothing to act on are not offered."""
        if action == "stop":
            return self.busy
        if action in OF_LIST and self.is_mounted:
            if self.found.listing is None or not self.found.listing.total or self._tree_focused:
                return False
            return None if self.found.waiting else True
        if action == "back" and self.is_mounted:
            return not self._tree_focused or super().check_action(action, parameters)
        return super().check_action(action, parameters)

    @property
    def _tree_focused(self) -> bool:
        """Whether the tree has the focus. The list may be hidden then."""
        return self.focused is None or self.query_one("#people") in self.focused.ancestors

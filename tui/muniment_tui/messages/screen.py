"""The Messages area: users and folders, lists and searches, one message; side by side, or one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from muniment.api import Done, Export, GetTree, ListMessages, Search, Step, Tree, Word
from muniment.client.client import receive
from muniment.errors import MunimentError, QueryError, ReasonNeeded
from muniment.system.formatting import count
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import Line
from muniment_tui.messages.folder_tree import Place, folders, nodes, place_of
from muniment_tui.messages.listing import RELEVANT, Asked, Listing
from muniment_tui.messages.query import LANGUAGE, Narrowing, Query, begun
from muniment_tui.messages.reader import Reader
from muniment_tui.messages.reason_prompt import AskingScreen
from muniment_tui.messages.result_list import Found
from muniment_tui.messages.saving import free, path_of, trouble
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import RowList
from muniment_tui.widgets.situation import situation
from muniment_tui.widgets.text import Words
from muniment_tui.widgets.tree import LazyTree, Node

PAUSE = 0.25
"""Seconds without a key after which what was typed is searched for."""


class MessagesScreen(AskingScreen):
    """See the module."""

    AREA = "messages"
    HELP = (
        "Find and read mail. Open a user's folder, or press / and type what you look for.\n\n"
        f"{LANGUAGE}\n\nEnter goes on to the next pane, Esc back; what is read of others is logged."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("messages.search-here", "i", "Search here", "Search the folder or the user that is open."),
            Action(
                "messages.people", "f", "Filter people", "Narrow the tree by a part of a name or address."
            ),
            Action("messages.reload", "f5", "Reload", "See what has come since."),
            Action(
                "messages.export",
                "x",
                "Export",
                "Write what is chosen to .eml files, an .mbox or a .zip.",
                footer=5,
            ),
            Action("messages.stop", "c", "Stop export", "Stop the export that is under way.", footer=9),
        )
    ]
    CSS_PATH = None
    DEFAULT_CSS = """
    MessagesScreen {
        #panes { layout: horizontal; }
        #people { width: 40; }
        #people > Entry { display: none; }
        #people.-filtering > Entry { display: block; }
        #mail { width: 1fr; layout: vertical; }
        #caret { height: auto; padding: 0 1; display: none; }
        #found { height: 2fr; }
        #reader { height: 3fr; }
        &.-wide #people { margin: 0 1 0 0; }
    }
    MessagesScreen.-narrow {
        #people { width: 1fr; }
        .-at-people > #mail { display: none; }
        .-at-found > #people, .-at-reader > #people { display: none; }
        .-at-found #reader { display: none; }
        .-at-reader #found, .-at-reader #query, .-at-reader #caret { display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.place: Place | None = None
        """What was opened last, which a search is laid upon."""
        self._timer: Timer | None = None
        self._whole = ""
        """What was typed, where words that begin so are searched for."""
        self._export: Line | None = None
        self._told: Content | None = None

    def inside(self) -> Iterable[Widget]:
        """Three panes."""
        tree = LazyTree(note_width=7, id="tree")
        yield Container(
            Pane(
                shown("People"), Narrowing(id="narrowing", placeholder="name or address"), tree, id="people"
            ),
            Container(
                Query(
                    id="query", placeholder='/ searches all mail:  invoice "red car" from:ada after:2025-03'
                ),
                Words(id="caret"),
                Found(self._refused),
                Reader(),
                id="mail",
            ),
            id="panes",
            classes="-at-people",
        )

    def on_mount(self) -> None:
        """Learn who is there."""
        self._go("people")
        self.people.empty = situation("…", "$primary", "Reading who has mail here")
        self._read_tree()

    @property
    def people(self) -> LazyTree:
        """Users and folders."""
        return self.query_one("#tree", LazyTree)

    @property
    def found(self) -> Found:
        """The list."""
        return self.query_one("#found", Found)

    @property
    def reader(self) -> Reader:
        """The message."""
        return self.query_one("#reader", Reader)

    @property
    def line(self) -> Query:
        """Where one types what to search for."""
        return self.query_one("#query", Query)

    # --- one pane or three --------------------------------------------------------------------

    def _go(self, pane: str) -> None:
        """Give a pane the keys; where there is room for one alone, show it."""
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
        """Tab goes from pane to pane, too."""
        for node in event.widget.ancestors_with_self:
            if node.id in ("people", "found", "reader"):
                self._show(node.id)
        if event.widget is self.line:
            self._show("found")

    def action_back(self) -> None:
        """Esc: from what lies upon a message to the message, to the list, to the people."""
        focused = self.focused
        around = [node.id for node in focused.ancestors_with_self] if focused else []
        self.quieten()
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
        self.read(GetTree(), Tree, self._tree_came, failed=self._no_tree)

    def _tree_came(self, tree: Tree) -> None:
        self.people.empty = situation(
            "○",
            "$secondary",
            "No mail is kept yet",
            "3 goes to Runs, which fetch it;\n1 to Setup, which leads there.",
        )
        self.people.show(nodes(tree))
        people = count(len(tree.users))
        self.query_one("#people", Pane).name_it(shown(f"People ({people})" if tree.users else "People"))
        if len(tree.users) == 1:
            self.people.cursor = 1
            self.people.action_unfold()

    def _no_tree(self, error: MunimentError) -> None:
        self.people.empty = situation("✗", "$error", "It can't be read who has mail here", str(error))
        self.muniment.refuse(error)

    @on(LazyTree.Unfolded)
    def _unfolded(self, event: LazyTree.Unfolded) -> None:
        self.people.put(event.node, list(folders(event.node)))

    @on(RowList.Opened, "#tree")
    def _chosen(self, event: RowList.Opened) -> None:
        node = event.row.value if event.row else None
        if isinstance(node, Node):
            place = place_of(node)
            if place.user and not place.folder:
                self.people.action_fold() if node.open else self.people.action_unfold()
            else:
                self._open(place)

    def _open(self, place: Place) -> None:
        self.place = place
        self.line.value = ""
        self._list(self._request(place))
        self._go("found")

    @staticmethod
    def _request(place: Place) -> Asked:
        if place.folder:
            return ListMessages(user=place.user, folder=place.folder)
        return Search(query="", user=place.user)

    def action_people(self) -> None:
        """Type a part of a name."""
        self._show("people")
        self.query_one("#people").add_class("-filtering")
        self.query_one(Narrowing).focus()

    @on(Input.Changed, "#narrowing")
    def _narrow(self, event: Input.Changed) -> None:
        self.people.narrow(event.value.strip())

    @on(Input.Submitted, "#narrowing")
    def _narrowed(self, event: Input.Submitted) -> None:
        self.query_one("#people").set_class(bool(event.value), "-filtering")
        self.people.focus()

    # --- searching ----------------------------------------------------------------------------

    def action_find(self) -> None:
        """`/`: type what to look for in all mail."""
        self._show("found")
        self.line.focus()

    def action_search_here(self) -> None:
        """The same, within what is open."""
        node = self.people.node
        place = (place_of(node) if self.people.has_focus and node else self.place) or Place()
        here = f"user:{place.user} " if place.user else ""
        if place.folder:
            here += f'in:"{place.folder}" ' if " " in place.folder else f"in:{place.folder.lower()} "
        self.action_find()
        self.line.value = here
        self.line.action_end()

    @on(Input.Changed, "#query")
    def _typing(self, event: Input.Changed) -> None:
        """Search once the typing pauses."""
        if self._timer is not None:
            self._timer.stop()
        self._caret(None)
        if self.line.has_focus:
            self._timer = self.set_timer(PAUSE, self._search)

    def _search(self) -> None:
        self._timer = None
        typed, query = self.line.value.strip(), begun(self.line.value)
        self._whole = typed if query != typed else ""
        if typed:
            self._list(Search(query=query))
        else:
            self._return()

    def _return(self) -> None:
        """List what was open before the search, if anything was."""
        if self.place is not None:
            self._list(self._request(self.place))
        else:
            self.found.rest()
            self.say(Content())

    @on(Input.Submitted, "#query")
    def _entered(self, event: Input.Submitted) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._search()
        self._go("found")

    @on(Query.Left)
    def leave_search(self) -> None:
        """Back to what was open before."""
        searched = bool(self.line.value)
        self.line.value = ""
        self._caret(None)
        if searched:
            self._return()
        self._go("found" if self.place is not None else "people")

    def _caret(self, error: QueryError | None) -> None:
        """Show the place of an error below the line that is typed in."""
        caret = self.query_one("#caret", Words)
        caret.display = error is not None
        if error is not None:
            before = shown(error.query[: error.position]).cell_length
            room = max(caret.size.width or self.size.width - 2, 20)
            place = " " * before + "^" if before < room - 1 else "→"
            caret.say(Content("\n").join([shown(place, "bold $error"), shown(str(error), "$error")]))

    # --- the list -----------------------------------------------------------------------------

    def _list(self, request: Asked) -> None:
        doing = "Searching …" if isinstance(request, Search) else "Opening …"
        self.say(shown(doing, "$secondary"))
        self.found.situate("…", "$primary", doing.removesuffix(" …"), "What is found appears here.")
        self.found.open(request)

    def _refused(self, error: MunimentError) -> None:
        if isinstance(error, QueryError) and self._whole:  # too many words begin so
            whole, self._whole = self._whole, ""
            self._list(Search(query=whole))
        elif isinstance(error, QueryError):
            self._caret(error)
            self.found.situate(
                "✗", "$error", "Nothing was searched for", "The query is wrong at the ^ above."
            )
            self.say(shown("The query can't be read.", "$error"))
        elif not isinstance(error, ReasonNeeded):
            self.say(shown("✗ It could not be read.", "$error"))
            self.found.situate("✗", "$error", "It could not be read", str(error))
            self.muniment.refuse(error)
        else:
            self.found.situate("!", "$warning", "A reason is needed", "Open it again, and say why.")

    @on(Found.Changed)
    def _listed(self) -> None:
        listing = self.found.listing
        if listing is not None:
            self.found.name_it(shown(self._title(listing)))
            self.say(self._status(listing))
            self.refresh_bindings()

    def _title(self, listing: Listing) -> str:
        request = listing.request
        if isinstance(request, Search) and request.query:
            return f"Found by {request.query}"
        return (self.place or Place()).title

    def _status(self, listing: Listing) -> Content:
        about = "" if listing.exact else "about "
        total = f"{about}{_messages(max(listing.hits.total, listing.total))}"
        request = listing.request
        parts = [total]
        if isinstance(request, Search):
            parts[0] += f" in {listing.hits.seconds:.2f} s" if listing.hits.seconds else ""
        if listing.order == RELEVANT and listing.hits.total > listing.total:
            parts.append(f"the {count(listing.total)} best are listed")
        parts.append(listing.order)
        if listing.hits.behind:
            parts.append(f"{count(listing.hits.behind)} not searchable yet")
        chosen = self._chosen_words(listing)
        return joined((f"{chosen} · " if chosen else "", "bold $accent"), (" · ".join(parts), ""))

    def _chosen_words(self, listing: Listing) -> str:
        marked = len(self.found.rows.marked)
        if self.found.all_chosen:
            return f"all {count(listing.hits.total)} chosen"
        return f"{count(marked)} marked" if marked else ""

    @on(RowList.Opened, "#rows")
    def _read_row(self, event: RowList.Opened) -> None:
        listing = self.found.listing
        if event.row is not None and listing is not None:
            self.reader.open(event.row.key, listing.hits.marks)
            self._go("reader")

    @on(Reader.Onward)
    def _onward(self, event: Reader.Onward) -> None:
        """The hits of one message are at an end: on to the next message."""
        row = self.found.rows.current if self.found.step(event.step) else None
        listing = self.found.listing
        if row is None or listing is None:
            self.muniment.tell("That was the last one." if event.step > 0 else "That was the first one.")
        else:
            self.reader.open(row.key, listing.hits.marks, from_end=event.step < 0)

    def action_reload(self) -> None:
        """Tree and list anew."""
        self._read_tree()
        self.found.again()

    # --- exports ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What would have nothing to work on is not offered."""
        if action == "stop":
            return self._export is not None and not self._export.over
        if action == "export" and self.is_mounted:
            listed = self.found.listing is not None and self.found.listing.total > 0
            return listed and not self._among_people
        if action == "back" and self.is_mounted:
            return not self._among_people or super().check_action(action, parameters)
        return super().check_action(action, parameters)

    @property
    def _among_people(self) -> bool:
        """Whether the tree has the keys: the list may be out of sight then."""
        return self.focused is None or self.query_one("#people") in self.focused.ancestors

    def action_export(self) -> None:
        """Ask where to."""
        listing = self.found.listing
        chosen = self.found.rows.chosen
        if listing is None or not listing.total or not (chosen or self.found.all_chosen):
            self.muniment.tell("Open a folder or search first: then x exports what is chosen.", "warning")
            return
        if self._export is not None and not self._export.over:
            self.muniment.tell("One export is under way: c stops it.", "warning")
            return
        whole = self.found.all_chosen
        many = listing.hits.total if whole else len(chosen)
        request = (
            _export(listing.request)
            if whole
            else Export(query="", path="", ids=tuple(row.key for row in chosen))
        )
        words = joined(
            ("Export ", ""), (_messages(many), "bold"),
            (" to a folder, or to a file that ends in .mbox or .zip:", ""),
        )  # fmt: skip
        value = str(free(Path.home(), "mail.zip"))
        self.ask_for(words, partial(self._write, request), value=value, check=trouble)

    def _write(self, request: Export, typed: str) -> None:
        path = path_of(typed)
        request = Export(
            query=request.query, user=request.user, folder=request.folder, ids=request.ids, path=str(path)
        )
        self.say(shown(f"Exporting to {path}; c stops it."))
        self._export = self.read_stream(
            request,
            self._exported,
            ended=self._ended,
            failed=self._failed,
            through=lambda words: receive(words, path),
        )
        self.refresh_bindings()

    def _exported(self, word: Word) -> None:
        if isinstance(word, Done):
            self.muniment.tell(word.message)
        elif isinstance(word, Step):
            self.say(shown(f"Exporting: {word.text}; c stops it."))

    def _failed(self, error: MunimentError) -> None:
        self.muniment.refuse(error)
        self._ended()

    def _ended(self) -> None:
        self._export = None
        self.refresh_bindings()
        self._listed()

    def action_stop(self) -> None:
        """Stop writing; what is written stays."""
        if self._export is not None:
            self._export.cancel()
        self._ended()
        self.muniment.tell("The export was stopped; what it had written is still there.", "warning")


def _messages(number: int) -> str:
    return f"{count(number)} message{'' if number == 1 else 's'}"


def _export(request: Asked) -> Export:
    """All of a list."""
    if isinstance(request, ListMessages):
        return Export(query="", path="", user=request.user, folder=request.folder)
    return Export(query=request.query, path="", user=request.user)

"""What a change of people would do, before it is done: who changes, and how much mail is filed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import ClassVar

from msgspec.structs import replace
from textual import events, on
from textual.binding import BindingType
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget

from muniment.api import AddUser, Done, GetRefiling, ImportUsers, PersonChange, Refiling, RemoveUser
from muniment.errors import MunimentError
from muniment.system.formatting import count
from muniment_tui.actions.registry import Action, actions
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.meters import BarMeter
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, ShortList
from muniment_tui.widgets.situation import situation
from muniment_tui.widgets.text import TextLines

LOOK = 1.0
"""Seconds between two looks at the progress."""
NAMED = 8
"""Most effects that are shown above the list."""
SIGNS = {"added": ("+", "$success"), "changed": ("~", "$warning"), "removed": ("-", "$error")}
COLUMNS = [
    ListColumn("", 9),
    ListColumn("Name", share=2),
    ListColumn("Address", share=3),
    ListColumn("Addresses that change", share=4),
]
PeopleRequest = ImportUsers | AddUser | RemoveUser


class ChangeScreen(FrameScreen):
    """A change of people before it is made. It closes once it is made.

    A change that is being made goes on when its screen is closed; its result becomes a notice.
    """

    HELP = (
        "What this would change. Nothing is changed before you confirm it. Mail of these addresses is filed "
        "again; none is deleted."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "person-change.apply", "f2", "Confirm", "Ask whether to make this change.", footer=8,
                changes=True,
            )
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    ChangeScreen {
        #effects { height: auto; max-height: 10; padding: 0 1; }
        BarMeter { display: none; padding: 0 1; }
        BarMeter.-running { display: block; }
    }
    """

    def __init__(
        self,
        request: PeopleRequest,
        title: str,
        ended: Callable[[bool], object],
        began: Callable[[], object] = lambda: None,
    ) -> None:
        """`request` is sent as a dry run first.

        `began` is called when the user has confirmed the change. `ended` is called with True when the change
        was made, and with False when it has failed. This screen may be closed by then.
        """
        super().__init__()
        self._began = began
        self._ended = ended
        self._is_made = False
        self._request = request
        self._heading = title
        self._planned: Done | None = None
        self._timer: Timer | None = None

    def inside(self) -> Iterable[Widget]:
        yield TextLines(id="effects")
        yield BarMeter("Filing", label_width=8)
        yield Pane(shown(self._heading), ShortList(COLUMNS, id="changes"), id="preview")

    def on_mount(self) -> None:
        self._list.focus()
        self._list.empty = situation("…", "$primary", "Finding out what changes")
        self._here = self.still_here()
        trial = replace(self._request, check=True)
        self.muniment.engine.ask(self, trial, Done, self._came, failed=self._failed)

    @property
    def _list(self) -> ShortList:
        return self.query_one("#changes", ShortList)

    def _failed(self, error: MunimentError) -> None:
        self._list.empty = situation("✗", "$error", "Nothing was changed", str(error))
        self.muniment.refuse(error)

    def _came(self, planned: Done) -> None:
        self._planned = planned
        self._list.empty = situation("✓", "$success", "Nothing to change", "All of this is so already.")
        self._list.fill([_row(number, person) for number, person in enumerate(planned.people)])
        self.query_one("#preview", Pane).set_count(len(planned.people))
        self.query_one("#effects", TextLines).say(_effects(planned))
        self.refresh_bindings()
        if not planned.people or self.muniment.read_only:
            return
        if self._here():
            self.action_apply()
        else:
            self.muniment.tell("The preview is ready: F2 in it asks whether to make the change.")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available: there must be something to change, once."""
        if action == "apply":
            return (
                self._planned is not None
                and bool(self._planned.people)
                and self._timer is None
                and not self._is_made
            )
        return super().check_action(action, parameters)

    def action_apply(self) -> None:
        """Ask whether to make the change. The question names what is affected, and how much."""
        planned = self._planned
        if planned is None:
            return
        words = joined(
            (f"{self._heading}: ", ""), (_sums(planned), "bold"), (". ", ""),
            (f"{_messages(planned.refiled)} filed again", "bold"), (". Do it?", ""),
        )  # fmt: skip
        self.confirm(words, self._apply)

    def _apply(self) -> None:
        self._began()
        self._timer = self.set_interval(LOOK, self._look)
        self.query_one(BarMeter).add_class("-running")
        self.say(shown("Changing the people and filing their mail again ..."))
        self.refresh_bindings()
        # The app waits for the result, since this screen may be closed by then.
        self.muniment.engine.ask(self.app, self._request, Done, self._made, failed=self._not_made)

    def _look(self) -> None:
        self.muniment.engine.ask(
            self, GetRefiling(), Refiling, self._progress, failed=lambda error: None, lane="refiling"
        )

    def _progress(self, refiling: Refiling) -> None:
        if refiling.running:
            self.query_one(BarMeter).show(refiling.done, refiling.expected, "messages filed again")

    def _made(self, done: Done) -> None:
        self.muniment.tell(" ".join((done.message, *done.warnings[:1])))
        self._ended(True)
        self._is_made = True
        self._stop_looking()
        self._close_made()

    @on(events.ScreenResume)
    def _close_made(self) -> None:
        """Close once the change is made; if another screen is in front, after that is closed."""
        if self._is_made and self.is_active:
            self.dismiss()

    def _not_made(self, error: MunimentError) -> None:
        self.muniment.refuse(error)
        self._ended(False)  # a part of it may be made
        self._stop_looking()
        self.query(BarMeter).remove_class("-running")  # a screen that was closed has none
        self.say(shown(""))
        self.refresh_bindings()

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = None

    def action_back(self) -> None:
        """Close the preview. A change that is being made goes on."""
        if self.muniment.notice is not None:
            super().action_back()
            return
        if self._timer is not None:
            self.muniment.tell("The change goes on; a notice says how it ends.", "hint")
        self.dismiss()


def _row(number: int, person: PersonChange) -> ListRow:
    sign, style = SIGNS.get(person.kind, ("?", ""))
    others = ", ".join(one for one in person.addresses if one != person.user)
    cells = (joined((f"{sign} {person.kind}", style)), person.name, person.user, others)
    return ListRow(str(number), cells, person)


def _sums(planned: Done) -> str:
    """How many people are added, changed and removed."""
    kinds = Counter(person.kind for person in planned.people)
    return ", ".join(f"{count(kinds[kind])} {kind}" for kind in SIGNS if kinds[kind])


def _messages(number: int) -> str:
    return f"{count(number)} {'message is' if number == 1 else 'messages are'}"


def _effects(planned: Done) -> Content:
    """The sums, and what needs attention."""
    sums = _sums(planned) or "nothing changes"
    lines = [joined((sums, "bold"), (f" · {_messages(planned.refiled)} filed again", "$secondary"))]
    lines += [joined(("! ", "bold $warning"), (one, "")) for one in planned.warnings[:NAMED]]
    if len(planned.warnings) > NAMED:
        lines.append(shown(f"and {count(len(planned.warnings) - NAMED)} more"))
    return Content("\n").join(lines)

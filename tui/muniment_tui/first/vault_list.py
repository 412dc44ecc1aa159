"""The list of vaults: the known ones, a new one, the demo, or any other folder.

It is the first page where no vault is named, and `:vault` opens it over any screen.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.widget import Widget

from muniment.client.known_vaults import KnownVault
from muniment.system.environment import absolute, current_folder
from muniment.system.formatting import local
from muniment_tui.actions.registry import Action, actions
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.shell.vaults import is_vault, new_folder
from muniment_tui.shell.wordmark import WORDMARK
from muniment_tui.terminal.safe_text import block, joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.text import TextLines

CREATE, DEMO, FOLDER = "create", "demo", "folder"
"""The keys of the rows that are no known vault. A known one has its path, which begins with `/`."""
COLUMNS = (
    ListColumn("Vault", share=2),
    ListColumn("Folder", share=3),
    ListColumn("Last opened", 16),
)


class VaultsScreen(FrameScreen):
    """The vaults that this user has opened on this machine, and the ways to get another one."""

    HELP = (
        "A vault is the archive of one organisation: a folder. The list has the vaults that you have made or "
        "opened on this machine. Muniment opens one by itself only if you name it (--vault, MUNIMENT_VAULT) "
        "or start in its folder. Runs continue in the service of a vault that you leave."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "vaults.create",
                "c",
                "Create a vault",
                "Make a new vault for an organisation.",
                footer=9,
                changes=True,
                words="new archive organisation init",
            ),
            Action(
                "vaults.demo",
                "t",
                "Try the demo",
                "Leave the app, make a temporary vault with 1,000 sample mails, and open it.",
                footer=8,
                changes=True,
                words="sample example test",
            ),
            Action(
                "vaults.folder",
                "p",
                "Open a folder",
                "Open the vault in a folder that is not in the list.",
                footer=6,
                words="path other vault",
            ),
            Action(
                "vaults.forget",
                "x",
                "Forget",
                "Remove the vault from this list. The vault itself stays as it is.",
                footer=5,
                changes=True,
                words="remove list",
            ),
        )
    ]
    DEFAULT_CSS = """
    VaultsScreen #inside { padding: 0 1; }
    VaultsScreen #wordmark { display: none; height: 3; margin: 1 2; }
    VaultsScreen.-first #wordmark { display: block; }
    """

    def inside(self) -> Iterable[Widget]:
        yield TextLines(block(WORDMARK, "bold $accent"), id="wordmark")
        yield Pane(shown("Which vault?"), ShortList(COLUMNS, id="vaults"))

    def on_mount(self) -> None:
        self._list.focus()
        self._fill()
        if self.muniment.vault is None:
            self.add_class("-first")
            self.say(shown(f"No vault is open. This folder is {current_folder()}.", "$secondary"))

    @on(events.ScreenResume)
    def _again(self) -> None:
        if self.query("#vaults"):
            self._fill()

    @property
    def _list(self) -> ShortList:
        return self.query_one("#vaults", ShortList)

    def _fill(self) -> None:
        """List the known vaults. Where none is open, a new vault comes first, so that Enter opens none."""
        known = [self._known(one) for one in self.muniment.vaults.known()]
        new = ListRow(CREATE, (joined(("+ ", "$accent"), ("Create a vault", "")), str(new_folder()), ""))
        others = [
            ListRow(DEMO, (joined(("▶ ", "$accent"), ("Try the demo", "")), "a temporary vault", "")),
            ListRow(FOLDER, (joined(("/ ", "$accent"), ("Open a folder", "")), "a vault elsewhere", "")),
        ]
        rows = [*known, new, *others] if self.muniment.vault else [new, *known, *others]
        self._list.fill(rows)

    def _known(self, vault: KnownVault) -> ListRow:
        if vault.path == str(self.muniment.vault):
            sign, style = "●", "$success"
        elif is_vault(Path(vault.path)):
            sign, style = "○", "$secondary"
        else:
            sign, style = "✗", "$error"
        name = vault.name or Path(vault.path).name
        opened = {"●": "open now", "✗": "not there"}.get(sign) or local(vault.opened)
        return ListRow(vault.path, (joined((f"{sign} ", style), (name, "")), vault.path, opened), vault)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a vault of the list can be forgotten, and not the open one."""
        if action == "forget":
            rows = [one.current for one in self.query("#vaults").results(ShortList)]
            return any(row is not None and self._forgettable(row) for row in rows)
        return super().check_action(action, parameters)

    def _forgettable(self, row: ListRow) -> bool:
        return row.value is not None and row.key != str(self.muniment.vault)

    @on(RowList.Moved, "#vaults")
    def _moved(self) -> None:
        self.refresh_bindings()

    @on(RowList.Opened, "#vaults")
    def _opened(self, event: RowList.Opened) -> None:
        if event.row is None:
            return
        if event.row.value is not None:
            self.muniment.vaults.open(Path(event.row.key))
        else:
            self.call_later(self.run_action, event.row.key)

    def action_create(self) -> None:
        from muniment_tui.first.screen import FirstScreen

        self.app.push_screen(FirstScreen(new_folder()))

    def action_demo(self) -> None:
        self.muniment.vaults.leave(self.muniment.vaults.start_demo)

    def action_folder(self) -> None:
        self.ask_for(
            shown("Open the vault in which folder?"),
            lambda path: self.muniment.vaults.open(absolute(path.strip())),
            check=lambda path: "" if is_vault(absolute(path.strip())) else "there is no vault in this folder",
        )

    def action_forget(self) -> None:
        row = self._list.current
        if row is not None and self._forgettable(row):
            self.muniment.vaults.forget(row.key)
            self.muniment.tell(f"{row.key} is not in the list any more. The vault itself is unchanged.")
            self._fill()

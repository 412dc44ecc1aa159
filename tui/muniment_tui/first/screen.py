"""The first page, shown when there is no vault yet. It creates a vault or opens an existing one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from muniment.api import Done, Init
from muniment.errors import MunimentError
from muniment.system.environment import VAULT, absolute
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import Bridge
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.shell.vaults import is_vault
from muniment_tui.shell.wordmark import WORDMARK
from muniment_tui.terminal.safe_text import block
from muniment_tui.widgets.field import Form, FormField, TextField
from muniment_tui.widgets.text import TextLines

WELCOME = (
    "An archive of an organisation's mail: complete, unchanged, provable.\n"
    "The archive is a folder, the vault. Create it here; Setup follows.\n\n"
    "Enter goes to the next field. In the last field, it creates the vault."
)
DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+", re.ASCII)


class FirstScreen(FrameScreen):
    """The page that creates or opens a vault."""

    HELP = (
        "A vault is a folder that holds the archive of one organisation. Only your login can read it.\n\n"
        "When mail arrives for an address at one of the organisation's domains, Muniment adds a user for "
        "that address. Domains can be added later.\n\n"
        "F3 tries Muniment with sample mail first, as `muniment demo` does. `:vault` lists the vaults that "
        "you have opened on this machine."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "first.make",
                "f2",
                "Create the vault",
                "Create a vault in this folder, or open the vault that it holds.",
                footer=9,
                changes=True,
            ),
            Action(
                "first.demo",
                "f3",
                "Try the demo",
                "Leave the app, make a temporary vault with 1,000 sample mails, and open it.",
                footer=8,
                changes=True,
                words="sample example test",
            ),
        )
    ]
    DEFAULT_CSS = """
    FirstScreen #inside { padding: 1 2; }
    FirstScreen.-tall #inside { padding: 3 6; }
    FirstScreen #wordmark { height: 3; margin-bottom: 1; }
    FirstScreen.-tall #wordmark { margin-bottom: 2; }
    FirstScreen #welcome { height: auto; margin-bottom: 1; }
    FirstScreen Form { padding: 0; }
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is suggested."""
        super().__init__()
        self._folder = folder

    def inside(self) -> Iterable[Widget]:
        with Vertical():
            yield TextLines(block(WORDMARK, "bold $accent"), id="wordmark")
            yield TextLines(block(WELCOME), id="welcome")
            with Form():
                yield TextField("folder", "Folder", str(self._folder), check=_folder_problem)
                yield TextField(
                    "name",
                    "Organisation",
                    placeholder="Example Ltd",
                    hint="Shown at the top of the app.",
                    check=_name_problem,
                )
                yield TextField(
                    "domains",
                    "Mail domains",
                    placeholder="example.com example.org",
                    hint="The domains of its users' addresses.",
                    check=_domains_problem,
                    clip=str.lower,
                )
            yield TextLines(id="hint")

    def on_mount(self) -> None:
        """Focus the organisation's name; the folder has a default."""
        fields = self.query_one(Form).fields
        fields[1].entry().focus()
        self._look_at_folder()

    @on(FormField.Changed)
    def _look_at_folder(self) -> None:
        folder = self.query_one(Form).fields[0]
        exists = is_vault(absolute(folder.value)) if folder.value.strip() else False
        hint = "This folder holds a vault. F2 opens it unchanged." if exists else "A new or empty folder."
        if hint != folder.hint:
            folder.say(hint)

    @on(Form.Submitted)
    async def _entered(self) -> None:
        await self.run_action("make")

    def action_demo(self) -> None:
        self.muniment.vaults.leave(self.muniment.vaults.start_demo)

    def action_make(self) -> None:
        """Create the vault, or open it if it exists."""
        form = self.query_one(Form)
        folder = absolute(form.values["folder"].strip() or ".")
        if is_vault(folder):
            self.muniment.vaults.use(folder)
        elif not form.problems():
            self._make(folder, form.values)

    def _make(self, folder: Path, values: dict[str, str]) -> None:
        self.muniment.tell(f"Creating a vault in {folder} ...")
        app = self.muniment
        engine = Bridge(app.connect, folder, app.refuse, every=app.times.states)
        request = Init(domains=tuple(_domains(values["domains"])), name=values["name"].strip(), sign=True)
        engine.ask(self, request, Done, self._made(folder, engine), failed=self._not_made(engine))

    def _made(self, folder: Path, engine: Bridge) -> Callable[[Done], None]:
        def then(done: Done) -> None:
            engine.close()
            self.muniment.vaults.use(folder)
            self.muniment.tell(" ".join([done.message, f"For the shell: export {VAULT}={folder}"]))

        return then

    def _not_made(self, engine: Bridge) -> Callable[[MunimentError], None]:
        def then(error: MunimentError) -> None:
            engine.close()
            self.muniment.refuse(error)

        return then


def _domains(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _name_problem(text: str) -> str:
    return "" if any(char.isalpha() for char in text) else "Type a name with at least one letter"


def _domains_problem(text: str) -> str:
    wrong = [domain for domain in _domains(text) if not DOMAIN.fullmatch(domain)]
    return f"{wrong[0]} is not a domain; write it like example.com" if wrong else ""


def _folder_problem(text: str) -> str:
    folder = absolute(text.strip() or ".")
    try:
        if is_vault(folder) or not folder.exists() or _is_empty(folder):
            return ""
        what = "This folder is not empty" if folder.is_dir() else "This is not a folder"
    except (OSError, ValueError):  # such as a name that is too long
        what = "This path is not valid"
    return f"{what}; name another"


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return False

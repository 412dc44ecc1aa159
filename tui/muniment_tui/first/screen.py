"""The first page, where no vault is named or there is none: it makes one, or opens one."""

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
from muniment_tui.terminal.safe_text import block
from muniment_tui.widgets.field import Field, Form, TextField
from muniment_tui.widgets.text import Words

WELCOME = (
    "Muniment keeps an organisation's mail: complete, unchanged, provable.\n"
    "A vault is the folder that holds it. Make one here; the next page leads on.\n\n"
    "Enter goes to the next field, and makes the vault after the last one."
)
DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+", re.ASCII)


class FirstScreen(FrameScreen):
    """Making a vault, or opening one that is there."""

    HELP = (
        "A vault is a folder that holds one organisation's archive; only you will be able to read it.\n\n"
        "People with an address at one of the organisation's own domains become users by themselves when "
        "mail for them arrives. Domains can be added later.\n\n"
        "To see it at work with sample mail first, quit and call `muniment demo`."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "first.make",
                "f2",
                "Make the vault",
                "Make a new vault in this folder, or open the one that is there.",
                footer=9,
                changes=True,
            ),
        )
    ]
    DEFAULT_CSS = """
    FirstScreen #inside { padding: 1 2; }
    FirstScreen #welcome { height: auto; margin-bottom: 1; }
    FirstScreen Form { padding: 0; }
    """

    def inside(self) -> Iterable[Widget]:
        """A word of welcome, and three fields."""
        with Vertical():
            yield Words(block(WELCOME), id="welcome")
            with Form():
                yield TextField("folder", "Folder", str(self._suggested()), check=_folder_problem)
                yield TextField("name", "Organisation", placeholder="Example Ltd", hint="As it is called.")
                yield TextField(
                    "domains",
                    "Its mail domains",
                    placeholder="example.com example.org",
                    hint="Of its people's addresses.",
                    check=_domains_problem,
                    clip=str.lower,
                )
            yield Words(id="hint")

    def on_mount(self) -> None:
        """Begin with the organisation: the folder is suggested."""
        fields = self.query_one(Form).fields
        fields[1].entry().focus()
        self._look_at_folder()

    def _suggested(self) -> Path:
        """What the call named, else the last one used, else this folder if it is empty, else one in it."""
        if self.muniment.named is not None:
            return self.muniment.named
        last = self.muniment.state.vault
        if last and is_vault(Path(last)):
            return Path(last)
        here = Path.cwd()
        return here if _is_empty(here) else here / "vault"

    @on(Field.Changed)
    def _look_at_folder(self) -> None:
        folder = self.query_one(Form).fields[0]
        there = is_vault(absolute(folder.value)) if folder.value.strip() else False
        hint = (
            "There is a vault: F2 opens it, and nothing is changed." if there else "It must be new or empty."
        )
        if hint != folder.hint:
            folder.say(hint)

    @on(Form.Done)
    async def _entered(self) -> None:
        await self.run_action("make")

    def action_make(self) -> None:
        """Make it, or open it."""
        form = self.query_one(Form)
        folder = absolute(form.values["folder"].strip() or ".")
        if is_vault(folder):
            self.muniment.use_vault(folder)
        elif not form.problems():
            self._make(folder, form.values)

    def _make(self, folder: Path, values: dict[str, str]) -> None:
        self.muniment.tell(f"Making a vault in {folder} ...")
        engine = Bridge(self.muniment.connect, folder, self.muniment.refuse)
        request = Init(domains=tuple(_domains(values["domains"])), name=values["name"].strip())
        engine.ask(self, request, Done, self._made(folder, engine), failed=self._not_made(engine))

    def _made(self, folder: Path, engine: Bridge) -> Callable[[Done], None]:
        def then(done: Done) -> None:
            engine.close()
            self.muniment.use_vault(folder)
            self.muniment.tell(" ".join([done.message, f"Next time: export {VAULT}={folder}"]))

        return then

    def _not_made(self, engine: Bridge) -> Callable[[MunimentError], None]:
        def then(error: MunimentError) -> None:
            engine.close()
            self.muniment.refuse(error)

        return then


def _domains(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _domains_problem(text: str) -> str:
    wrong = [domain for domain in _domains(text) if not DOMAIN.fullmatch(domain)]
    return f"{wrong[0]} is no domain: write it as in example.com" if wrong else ""


def _folder_problem(text: str) -> str:
    folder = absolute(text.strip() or ".")
    if is_vault(folder) or not folder.exists() or _is_empty(folder):
        return ""
    return (
        "This folder is not empty: name a new one" if folder.is_dir() else "This is no folder: name a new one"
    )


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return False

"""What the keys of a step do: run the profile, import people, pin the tenant, install the service."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from textual.app import SuspendNotSupported
from textual.widgets import Input

from muniment.api import Done, ImportUsers, ListProfiles, Profiles, ProfileWord, PutProfile, PutSetup, Setup
from muniment.cli.output import CommandOutput
from muniment.cli.users import csv_text
from muniment.errors import MunimentError
from muniment.system.environment import absolute
from muniment_tui.profiles.run_now import run_now
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.interrupts import interrupts_ignored
from muniment_tui.terminal.safe_text import joined, shown

log = logging.getLogger("muniment.tui")

PEOPLE = "people.csv"
FAILED, BY_HAND = "The units can't be written", "run the command of this step as root."


class StepActing:
    """The acts of the steps. Each but a run asks before it changes anything."""

    def __init__(
        self,
        screen: FrameScreen,
        changed: Callable[[], object],
        came: Callable[[Setup], object],
        lines: Callable[[list[str]], object],
    ) -> None:
        """`changed` is called after something changed, `came` with a new checklist, `lines` with a report."""
        self._screen = screen
        self._changed = changed
        self._came = came
        self._lines = lines

    def run(self, profile: str) -> None:
        """Run the archive profile now."""
        run_now(self._screen.muniment, profile, self._changed)

    def enable(self, profile: str) -> None:
        """Ask, then let the service run the profile."""
        here = self._screen.still_here()

        def came(profiles: Profiles) -> None:
            for word in profiles.profiles:
                if word.name == profile and here():
                    self._ask_to_enable(word, profiles.version)
                elif word.name == profile:
                    self._screen.muniment.tell(f"Press e in Setup again to let {profile} run automatically.")

        self._screen.muniment.engine.ask(self._screen, ListProfiles(), Profiles, came)

    def _ask_to_enable(self, word: ProfileWord, version: str) -> None:
        from muniment_tui.profiles.listing import switch_question  # not for the first frame

        request = PutProfile(name=word.name, fields={"enabled": True}, version=version)
        self._screen.confirm(switch_question(word, on=True), lambda: self._put(request, word.name))

    def _put(self, request: PutProfile, name: str) -> None:
        def done(answer: Done) -> None:
            self._screen.muniment.tell(f"{name} now runs automatically.")
            self._changed()

        self._screen.muniment.engine.ask(self._screen, request, Done, done)

    def import_people(self) -> None:
        """Ask for a CSV file, and show what it would change, as People does."""
        words = shown("Import people from the CSV file (name,address,alias ... on each line):")
        self._screen.ask_for(words, self._read, value=str(absolute(PEOPLE)))

    def _read(self, path: str) -> None:
        screen, file = self._screen, absolute(path.strip() or PEOPLE)

        def came(text: str) -> None:
            if not screen.is_active or isinstance(
                screen.focused, Input
            ):  # its question would take their keys
                screen.muniment.tell(f"{file.name} is read: press i in Setup to see what it changes.")
                return
            from muniment_tui.people.preview import ChangeScreen  # not for the first frame

            request = ImportUsers(text=text, filename=file.name)
            title = f"Import of {file.name}"
            screen.app.push_screen(ChangeScreen(request, title, lambda made: self._changed()))

        screen.muniment.engine.work(screen, "read-people", lambda: csv_text(str(file)), came)

    def pin(self, tenant: str) -> None:
        """Ask, then trust only reports of the tenant that was found."""
        screen = self._screen

        def pinned(setup: Setup) -> None:
            screen.muniment.tell(f"The tenant is pinned: {tenant}.")
            self._came(setup)

        request = PutSetup(values={"tenant": tenant})
        screen.confirm(
            joined(
                ("Pin the tenant ", ""), (tenant, "bold"),
                ("? Reports of other tenants are then flagged, and go only to the catch-all.", ""),
            ),
            lambda: screen.muniment.engine.ask(screen, request, Setup, pinned),
        )  # fmt: skip

    # --- the service ------------------------------------------------------------------------------

    def install(self) -> None:
        """Ask, then write the units of the service; without root, let sudo do it in this terminal."""
        app = self._screen.muniment
        if app.vault is None or app.installer is None:
            app.tell("This program can't install the service: use the command of the step.", "warning")
        elif os.geteuid() == 0:
            words = (
                f"Write the systemd units of the service for {app.vault}? It then starts with the machine."
            )
            self._screen.confirm(shown(words, "bold"), self._write_units)
        elif shutil.which("sudo"):
            words = "Installing needs root. Let sudo run the command of this step in this terminal?"
            self._screen.confirm(shown(words, "bold"), self._write_units_as_root)
        else:
            app.tell(f"Installing needs root: {BY_HAND}", "warning")

    def _write_units(self) -> None:
        app, screen = self._screen.muniment, self._screen
        assert app.installer is not None
        assert app.vault is not None
        installer, vault = app.installer(), app.vault  # the app may open another vault meanwhile

        def work() -> None:
            try:
                lines = installer.install(vault)
            except MunimentError as error:
                app.call_later(app.refuse, error)
            except Exception as error:
                log.exception("the units could not be written")
                app.call_later(app.tell, f"{FAILED} ({type(error).__name__}): {BY_HAND}", "error")
            else:
                screen.call_later(self._lines, lines)

        screen.run_worker(work, thread=True, exit_on_error=False)

    def _write_units_as_root(self) -> None:
        app = self._screen.muniment
        line = ["sudo", "--", sys.executable, "-P", "-m", "muniment_tui", "--vault", str(app.vault)]
        try:
            with interrupts_ignored(), app.suspend():
                trouble = _run_here([*line, "service", "install"])
        except SuspendNotSupported as error:
            trouble = str(error)
        if trouble:
            app.tell(f"sudo can't be run here ({trouble}): {BY_HAND}", "warning")
        self._changed()


def _run_here(command: list[str]) -> str:
    """Run a program in the terminal, until Enter is pressed after it. Returns why it can't be run, or "".

    Nothing may be raised while the app is suspended: it would not get its terminal back.
    """
    try:
        subprocess.run(command, check=False)
        CommandOutput().await_enter("Enter returns to Muniment.")
    except OSError as error:
        return error.strerror or str(error)
    return ""

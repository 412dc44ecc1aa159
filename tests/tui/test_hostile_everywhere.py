"""Hostile mail on every screen and in the output of every command: no byte controls the terminal.

Commands and screens are counted: a new one fails here until it is added to the tables.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import click
import pytest

import muniment_tui
from muniment import api
from muniment.cli.root import root
from muniment_tui.shell.frame import FrameScreen
from support.hostile import (
    BODY,
    FILE,
    HEADER,
    INSIDE,
    LOST,
    NAME,
    PAGE,
    SUBJECT,
    VICTIM,
    hostile,
    judge,
    letter,
    reports,
    strays,
)  # fmt: skip
from support.services import end, service_of
from support.teletype import Teletype
from support.terminal import MUNIMENT
from support.vaults import TestVault, put


@dataclass(frozen=True)
class Hall:
    """A vault full of hostile mail."""

    home: Path
    vault: Path
    message: str
    item: str
    """The id of the item in quarantine."""


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    home = tmp_path_factory.mktemp("hall")
    vault = TestVault(home / "vault")
    vault.client.call(api.AddUser(name=hostile(NAME), addresses=(VICTIM,)), api.Done)
    put(vault.maildir("post", enabled=False), reports())
    own = vault.maildir("own", enabled=False, journal=False, owner=VICTIM)
    put(own, [letter(10, "Another. ")])
    vault.client.call(api.PutSetup(values={"name": hostile("Worganisation")}), api.Setup)
    for name in ("post", "own"):
        assert vault.run(name).state == "ok"
    with closing(vault.client):
        (item,) = vault.client.call(api.ListQuarantine(), api.Quarantine).items
        yield Hall(home, vault.folder, vault.search("another")[0].id, item.id)
    if service := service_of(vault.folder):
        end(service)


# --- commands -------------------------------------------------------------------------------------

DRIVER = """
import json, sys
from muniment.__main__ import ENGINE, start
for number, words in enumerate(json.load(open(sys.argv[1]))):
    print(f"<<{number}:{start(words, ENGINE)}>>", flush=True)
"""
"""Runs all commands in one process, since starting takes the most time."""
WORDS: dict[str, list[tuple[str, str]]] = {
    "init": [("--vault {home}/new --name {hostile}", "")],
    "setup": [
        ("", "organisation"), ("--check users", ""), ("--set name={hostile}", ""), ("organisation", SUBJECT),
    ],
    "users add": [("{hostile} new@example.com", "")],
    "users import": [("{home}/people.csv", "")],
    "users list": [("", NAME)],
    "users show": [(VICTIM, NAME), ("{hostile}", SUBJECT)],
    "users logins": [("", "")],
    "users bind": [("{hostile}", "")],
    "users remove": [("new@example.com", "")],
    "profile add": [
        ("{hostile} --source eml --path {home}", SUBJECT),
        ("files --source eml --path {home} --disabled", ""),
    ],
    "profile list": [("", "post")],
    "profile show": [("post", ""), ("{hostile}", SUBJECT)],
    "profile edit": [("files --keep", "")],
    "profile copy": [("files more", "")],
    "profile rename": [("more other", "")],
    "profile test": [("post", "")],
    "profile sign-in": [("post", "")],
    "profile remove": [("other", "")],
    "run": [("post", ""), ("files", "")],
    "watch": [("--once", "")],
    "cancel": [("--all", "")],
    "history": [("", "post"), ("--every", "post")],
    "notify test": [("", "")],
    "notify sign-in": [("", "")],
    "status": [("", "post"), ("--check", "")],
    "quarantine list": [("", "")],
    "quarantine show": [("{item}", "post"), ("{item} --raw", LOST)],
    "quarantine retry": [("{item}", "")],
    "tree": [("", NAME)],
    "list": [(f"{VICTIM}/Inbox", SUBJECT), ("{hostile}/Inbox", "")],
    "search": [("wbody", SUBJECT), ('"(" {hostile}', ""), ("from:{hostile}", ""),
        ("wbody --columns to,folders,subject,from", SUBJECT)],
    "prove": [
        ("{message} --to {home}/proof{number}.zip", ""), ("{hostile} --to {home}/none.zip", ""),
        ("{message} --to {home}/{hostile}{number}.zip", ""),
    ],
    "show": [
        ("{message}", BODY), ("{message} --headers", HEADER), ("{message} --text", BODY),
        ("{message} --raw", HEADER), ("{message} --report 1", HEADER), ("{message} --attachment 1", INSIDE),
        ("{message} --attachment 2", PAGE), ("{hostile}", ""),
    ],
    "export": [
        ("wbody --to {home}/out{number}", ""), ("wbody --to {home}/out{number}.zip", ""),
        ("wbody --to {home}/out{number}.form --form csv", ""),
    ],
    "restore": [
        ("{message} --to someone@example.com", ""),
        ("wbody --to someone@example.com --by {hostile}", ""),
    ],
    "approvals list": [("", ""), ("--all", "")],
    "approvals show": [("{hostile}", "")],
    "approvals approve": [("{hostile} --reason {hostile} --yes", "")],
    "approvals refuse": [("{hostile} --reason {hostile}", "")],
    "approvals withdraw": [("{hostile}", "")],
    "approvals relax": [("{hostile} --reason {hostile}", "")],
    "hold place": [
        ("h1 --reason {hostile} --case 7 --query wbody", ""), ("{hostile} --reason x --person {hostile}", ""),
    ],
    "hold list": [("", "h1"), ("--all", "wbody")],
    "hold show": [("h1", SUBJECT), ("{hostile}", "")],
    "hold report": [
        ("", "h1"), ("--csv", SUBJECT), ("--csv --messages", SUBJECT),
    ],
    "hold release": [("h1 --reason {hostile} --yes", "")],
    "verify": [("", ""), ("--deep", "")],
    "rebuild": [("", "")],
    "backup": [("{home}/backup", "")],
    "audit": [
        ("", "searched"), ("--csv", "searched"), ("--lines", "Search"),
        ("--person {hostile} --word {hostile}", ""),
    ],
    "group add": [(f"{{hostile}} {VICTIM} {{hostile}}", ""), (f"board {VICTIM}", "")],
    "group import": [("{home}/people.csv", "")],
    "group list": [("", "board")],
    "group show": [("board", VICTIM), ("{hostile}", "")],
    "group remove": [(f"board {VICTIM}", ""), ("board {hostile}", "")],
    "subject open": [
        (f"{VICTIM} --name s1 --mentions --text wbody --reason {{hostile}} --case 7", "wbody"),
        ("{hostile} --reason {hostile}", ""),
    ],
    "subject list": [("", "s1"), ("--all", "s1")],
    "subject messages": [("s1", SUBJECT), ("s1 --query {hostile}", ""), ("{hostile}", "")],
    "subject withhold": [("s1 1 --reason {hostile}", ""), ("s1 {hostile} --reason x", "")],
    "subject include": [("s1 --rest --reason {hostile}", "")],
    "subject history": [("s1", "include")],
    "subject package": [
        ("s1 --out {home}/subject{number}.zip --list-withheld", ""),
        ("s1 --out {home}/{hostile}{number}.zip", ""),
    ],
    "subject show": [("s1", "wbody"), ("{hostile}", "")],
    "subject close": [("{hostile} --reason {hostile}", "")],
    "access grant": [
        (f"ben{{number}} {VICTIM} --reason {{hostile}}", ""),
        (f"tax{{number}} --as auditor --people {VICTIM} --case 7 --reason {{hostile}}", ""),
    ],
    "access seal": [(f"{VICTIM} --only root --reason {{hostile}}", "")],
    "access ask": [(f"{VICTIM}{{number}} --until 2099-01-31 --reason {{hostile}}", "")],
    "access list": [("", VICTIM), ("--all", VICTIM)],
    "access could-read": [("{message}", ""), ("{hostile}", "")],
    "access of": [(VICTIM, ""), ("{hostile}", "")],
    "access revoke": [("{hostile} --reason x", "")],
    "access unseal": [(f"{VICTIM} --reason {{hostile}}", "")],
    "retention set": [
        ("letters --keep 10years --person {hostile}", ""), ("all --dispose 1day --query wbody", "all"),
    ],
    "retention list": [("--history", "wbody")],
    "retention show": [("{message}", "all"), ("{hostile}", "")],
    "retention simulate": [("--at 2100-01-01", SUBJECT)],
    "retention dispose": [("--dry-run", "")],
    "retention end": [("{hostile}", ""), ("all", "")],
    "checkpoint publish": [("", "")],
    "checkpoint show": [("", ""), ("--from 0", "")],
    "checkpoint verify": [("{home}/note", "")],
    "checkpoint new-key": [("--reason lost", "")],
    "completion": [("bash", "")],
    "service install": [("--print", "ExecStart")],
    "erase": [("{message} --basis {hostile} --yes 1", "")],
    "certificate": [("{message}", SUBJECT)],
}  # fmt: skip
"""The calls of each command, in this order, each with a harmless text of the mail that must appear."""
ELSEWHERE = {
    "service": "in its own terminal below, since it runs until it is stopped",
    "service status": "prints what systemd says about units, which contain no mail",
    "service uninstall": "the same",
    "witness init": "knows no vault and no mail",
    "witness trust": "the same",
    "witness serve": "the same",
    "witness add": "the same",
    "witness status": "the same",
    "demo": "creates its own vault with the program's sample mail, and opens the app",
}
TEXT = ("--raw", "--report", "--attachment", "--columns", "--csv", "--lines", "--case", "--yes", "--until")
"""Options that exclude --json, or of acts that succeed once."""
FULL = ("users list", "users show", "list", "search", "show")
"""Commands whose JSON has the same content as their text."""
USAGE, BUG = 2, 70
LIVE = (re.compile(r"\x1b\[\?25[lh]"), re.compile(r"\x1b\[(?:[12]?K|\d*A|J)"))
"""Sequences that draw the progress of a run: hide the cursor, go up, clear a line or the screen."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all commands."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name))


def test_every_command_is_covered() -> None:
    assert set(commands(root)) == {*WORDS, *ELSEWHERE}


def lines(hall: Hall) -> list[tuple[list[str], str]]:
    """Every command line, with and without --json, and the text that must appear."""
    values = {
        "home": str(hall.home), "hostile": hostile(SUBJECT).replace("\x00", ""),
        "message": hall.message, "item": hall.item,
    }  # fmt: skip
    found: list[tuple[list[str], str]] = []
    for name, calls in WORDS.items():
        for call, seen in calls:
            for json_too in ([], ["--json"])[: 1 if any(option in call for option in TEXT) else 2]:
                words = [word.strip('"').format(**values, number=len(found)) for word in call.split()]
                line = ["--vault", str(hall.vault), *name.split(), *words, *json_too]
                found.append((line, seen if not json_too or name in FULL else ""))
    return found


def test_no_command_sends_control_bytes_of_mail(hall: Hall) -> None:
    (hall.home / "people.csv").write_text(f'name,address\n"{hostile(NAME)}",carl@example.com\n')
    note = f"example.com/{SUBJECT}\n1\n{'A' * 43}=\n\n— example.com/{SUBJECT} AAAAAAA=\n"
    (hall.home / "note").write_text(note)
    tried = lines(hall)
    calls = hall.home / "calls.json"
    calls.write_text(json.dumps([line for line, _ in tried]))
    with Teletype([sys.executable, "-c", DRIVER, str(calls)], folder=hall.home, rows=50, columns=150) as tty:
        assert tty.wait_ended(120) == 0
        written = tty.written().replace(b"\r\n", b"\n")
    found = []
    for number, (line, seen) in enumerate(tried):
        output, _, rest = written.partition(f"<<{number}:".encode())
        code, _, written = rest.partition(b">>\n")
        found += [f"{' '.join(line[2:])[:60]!r}: {fault}" for fault in faults(output, int(code), seen)]
    assert not found, "\n".join(found)


def faults(output: bytes, code: int, seen: str) -> Iterator[str]:
    """What is wrong with the exit code and the output of a command."""
    if code in (USAGE, BUG):
        yield f"ended with {code}: {output[-200:]!r}"
    if seen.encode() not in output:
        yield f"{seen} does not appear in {output[-200:]!r}"
    yield from strays(output, LIVE)


def test_the_service_log_sends_no_control_bytes_of_mail(hall: Hall) -> None:
    if service := service_of(hall.vault):
        end(service)
    with Teletype([*MUNIMENT, "--vault", str(hall.vault), "service"], folder=hall.home) as tty:
        tty.wait(lambda: b"serving" in tty.written(), "to serve")
        put(hall.home / "maildir-0" / "new", reports()[:0])
        tty.press("C-c")
        assert tty.wait_ended() in (0, 130)
        judge(tty.written().replace(b"^C", b""))


# --- screens --------------------------------------------------------------------------------------

OWN = (
    re.compile(r"\x1b\[(?:[1-9]|[1-4]\d);(?:[1-9]|\d\d|1[0-4]\d)H"),  # within 49 rows and 149 columns
    re.compile(r"\x1b\[\d{2,3}[XC]"),  # erases blanks, and goes on after them
    re.compile(r"\x1b\[\?(?:7|25|1000|1003|1004|1006|1015|1049|2004)[hl]"),
    re.compile(r"\x1b\[\?(?:2026|2048)\$p"),  # asks for the terminal's capabilities
    re.compile(r"\x1b\[(?:>25|<)u"),  # the encoding of keys, and back
    re.compile(r"\x1b\]22;default\x07"),  # the mouse pointer
)
"""Sequences that the app's libraries send to draw."""
Steps = list[tuple[str, str]]
SCREENS: dict[str, Steps] = {
    "MessagesScreen": [
        ("4", "All mail"), ("Down", NAME), ("Right", "Inbox"), ("Down", "Inbox"), ("Enter", SUBJECT),
        ("Enter", "Message-ID"), ("PageDown", BODY),
        ("a", "text/plain"), ("Enter", INSIDE), ("Escape", BODY),
        ("a", "text/plain"), ("Down", FILE), ("Enter", PAGE), ("Escape", BODY),
        ("a", "text/html"), ("w", "Enter confirms"), ("Escape", FILE), ("Escape", BODY),
        ("e", "Envelope"), ("h", HEADER), ("Escape", "Envelope"), ("s", "─ Source"), ("Escape", "Envelope"),
        ("Escape", SUBJECT), ("/", "To the list"), ("wbody", "Results for wbody"), ("Enter", SUBJECT),
        ("x", "to a folder"), ("Escape", "Enter Open"), ("o", "oldest first"), ("Escape", "Inbox"),
    ],
    "EraseScreen": [("E", "Legal basis"), ("Escape", "Inbox")],
    "PeopleScreen": [("5", NAME), ("/", "To the list"), ("Escape", NAME)],
    "PersonForm": [("e", "Further ones"), ("Escape", NAME)],
    "ChangeScreen": [("d", "Do it?"), ("n", "removed"), ("Escape", "active")],
    "AuditScreen": [
        ("6", "read a message"), ("/", "To the list"), ("Escape", "read a message"), ("s", "read only"),
    ],
    "SingleScreen": [("Enter", "Message-ID"), ("Escape", "read only")],
    "RunsScreen": [("3", "post")],
    "HistoryScreen": [("h", "own")],
    "RecordScreen": [("Enter", "Kept as"), ("Escape", "Runs of all"), ("Escape", "by hand")],
    "QuarantineScreen": [("x", "a journal report")],
    "RawScreen": [("Enter", LOST), ("Escape", "a journal report"), ("Escape", "by hand")],
    "ProfilesScreen": [("2", "t Test"), ("t", "listed 4 messages"), ("Escape", "post")],
    "ProfileForm": [("e", "Path"), ("Escape", "post")],
    "KindScreen": [("a", "Where does the new"), ("Escape", "post")],
    "SetupScreen": [("1", "F5 Check"), *[("Down", "Setup")] * 9],
    "ProofScreen": [
        ("7", "Checkpoint"), ("v", "verification, "), ("w", "Which checkpoint"), ("Escape", "verification, "),
    ],
    "EvidenceScreen": [("e", "Last signed checkpoint"), ("Escape", "verification, ")],
    "RulesScreen": [("9", "Legal holds"), ("Down", "Retention")],
    "RuleForm": [("a", "keep at least"), ("Escape", "Retention"), ("Down", "everything")],
    "ReadersScreen": [
        ("w", "Enter confirms"), (VICTIM, VICTIM), ("Enter", "Who could read: "), ("Escape", "everything"),
    ],
    "DecisionForm": [("a", "Mail of"), ("Escape", "everything")],
    "SettingsScreen": [("8", "Mail domains"), ("Down", "Mail relay"), ("Up", "Mail domains")],
    "SettingsForm": [
        ("e", "Next field"), ("F2", "Nothing was changed"), ("Escape", ""), ("Escape", "Groups"),
        ("1", "F5 Check"),
    ],
    "HelpScreen": [("?", "Everywhere"), ("Escape", "Setup")],
    "NoticesScreen": [
        ("!", "Nothing was changed"), ("Escape", "Setup"), ("C-p", "What do you want"), ("Escape", ""),
    ],
    "VaultsScreen": [
        ("Escape", ""), (":", "help"), ("vault", "vault"), ("Enter", "Create a vault"), ("Escape", ""),
    ],
    "ThemesScreen": [(":", "help"), ("theme", "theme"), ("Enter", "Preview"), ("Escape", "")],
    "HomeScreen": [("1", "Arrivals"), *[("Down", "post")] * 3],
    "FirstScreen": [],
}  # fmt: skip
"""The keys that lead to each screen from the one before, each with a text that must then appear."""
BASES = {"AreaScreen", "FormScreen", "ListJobs", "MessageActs", "PageScreen"}


def screens(base: type[FrameScreen]) -> Iterator[str]:
    """The names of all screens of the app."""
    for kind in base.__subclasses__():
        if kind.__module__.startswith("muniment_tui."):
            yield kind.__name__
        yield from screens(kind)


def test_every_screen_is_covered() -> None:
    for module in walk_packages(muniment_tui.__path__, "muniment_tui."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    ours = set(screens(FrameScreen)) - BASES
    assert ours == set(SCREENS)


@pytest.mark.parametrize(
    "size",
    [pytest.param((80, 24), id="80x24"), pytest.param((120, 40), id="120x40", marks=pytest.mark.soak)],
)
def test_no_screen_sends_control_bytes_of_mail(hall: Hall, size: tuple[int, int]) -> None:
    command = [*MUNIMENT, "--vault", str(hall.vault)]
    with Teletype(command, folder=hall.home, columns=size[0], rows=size[1]) as tty:
        tty.wait_for("Home")
        for name, steps in SCREENS.items():
            for key, seen in steps:
                before = tty.count
                tty.press(key)
                tty.wait(partial(tty.came, before), f"{name} to take {key}")
                tty.wait_for(seen)
                tty.wait_quiet(0.04)
            written = tty.written()
            judge(written[: written.rfind(b"\x1b")], OWN)  # the last sequence may still be on its way
        tty.press("Escape")
        tty.wait_quiet()
        tty.press("q")
        assert tty.wait_ended() == 0
        judge(tty.written(), OWN)


def test_the_first_page_sends_no_control_bytes_of_a_folder_name(tmp_path: Path) -> None:
    here = tmp_path / hostile("folder").translate({0: None, ord("/"): None})[:80]
    here.mkdir()
    with Teletype(MUNIMENT, folder=here, columns=120, rows=40) as tty:
        tty.wait_for("Create the vault", "folder")
        tty.press("C-c")
        tty.wait_quiet()
        judge(tty.written(), OWN)

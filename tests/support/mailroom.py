"""A vault with sample mail and hostile mail, and the app with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from textual.pilot import Pilot

from muniment import api
from muniment.client.client import Client, Connect
from muniment.service.demo.samples import COMPANY, DOMAIN, samples, users_csv
from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
from muniment_tui.messages.screen import MessagesScreen
from muniment_tui.shell.times import AppTimes
from muniment_tui.terminal.colours import ColourDepth
from support.engine_double import HOSTILE
from support.reports import EPOCH, plain, report
from support.vaults import TestVault, put

MIRA = f"mira.tannhofer@{DOMAIN}"
NASTY = (
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 [/x] [bold]b[/bold] \u202eevil\u202c \u200bzero \x9b2J 漢字漢字 "
    + "\u0301" * 6
    + " end"
)
"""A hostile text in a body."""
LINE = HOSTILE.replace("\r\n", " ").replace("\x00", "")
COLOSSAL = "".join(f"line {n} of very many\n" for n in range(100_000))
"""More bytes than are shown of a source."""
LONG_LINE = "lorem ipsum " * 40_000
PROFILE = "maildir-0"
PROMPT = AppTimes(unasked=0.0)
"""Times of an app whose questions can be answered at once."""
FILES = 1_500
"""Attachments of one message."""


def nasty() -> list[bytes]:
    """Hostile mail to Mira: strings, a line of half a megabyte, very many attachments and headers."""
    return [
        plain(
            sender=f"{LINE} <evil@else.org>", to=[MIRA], date=EPOCH,
            subject=f"nasty {LINE}", body=f"{NASTY}\n",
            attachments=[("\x1b[2Jname[/x].txt", b"attached \x1b]52;c;aGk=\x07 text")],
        ),
        plain(to=[MIRA], subject="colossal", body=COLOSSAL, date=EPOCH - 1),
        plain(to=[MIRA], subject="nasty long", body=LONG_LINE + "needle\n", date=EPOCH + 1),
        plain(
            to=[MIRA], subject="nasty many", body="many\n", date=EPOCH + 2,
            headers=[f"X-Header-{n}: {n}" for n in range(3_000)],
            attachments=[*((f"file {n}.txt", b"x") for n in range(FILES - 1)), ("last.bin", b"x")],
        ),
    ]  # fmt: skip


def fill(folder: Path) -> Path:
    """A vault with 120 samples and the hostile mail."""
    client = Client(connect(folder))
    client.call(api.Init(domains=(DOMAIN,), name=COMPANY), api.Done)
    client.call(api.ImportUsers(text=users_csv(), filename="people.csv"), api.Done)
    client.close()
    vault = TestVault(folder)
    mails = [sample.data for sample in samples(120)]
    mails += [report(mail, recipients=[MIRA], sender="evil@else.org", date=EPOCH) for mail in nasty()]
    put(vault.maildir(PROFILE), mails)  # a fixed name, since pictures show it
    assert vault.run(PROFILE).state == "ok"
    return folder


Make = Callable[[], MunimentApp]
"""Creates the app of a test."""


def screen_of(pilot: Pilot[Any]) -> MessagesScreen:
    """The app's screen, which must be the Messages area."""
    screen = pilot.app.screen
    assert isinstance(screen, MessagesScreen)
    return screen


class Watched:
    """The real engine.

    Its requests are recorded, and it can be held up or made to fail. Searches always take the same time, and
    the vault has the same path, since pictures show both.
    """

    def __init__(self, folder: Path) -> None:
        self._engine = connect(folder)
        self.asked: list[api.Request] = []
        self.go = threading.Event()
        self.go.set()
        self.failing: Exception | None = None

    def __call__(self, folder: Path) -> Watched:
        return self

    def call(self, request: api.Request) -> api.WireWord:
        self.asked.append(request)
        if isinstance(request, api.ListMessages | api.Search | api.Show):
            assert self.go.wait(30)
            if self.failing is not None:
                raise self.failing
        word = self._engine.call(request)
        if isinstance(word, api.Status):
            word = replace(word, vault="/srv/mail")
        return replace(word, seconds=0.02) if isinstance(word, api.Hits) else word

    def stream(self, request: api.Request) -> Iterator[api.WireWord]:
        self.asked.append(request)
        for word in self._engine.stream(request):
            yield word
            assert self.go.wait(30)

    def close(self) -> None:
        """Do nothing: it serves all clients of the app."""


def app_over(engine: Connect, folder: Path, times: AppTimes = PROMPT) -> MunimentApp:
    """The app in its Messages area."""
    return MunimentApp(engine, folder, area="messages", depth=ColourDepth.TRUE, times=times)

"""Five mailboxes of any kind of source, of which a test makes one, a folder or some messages fail.

A kind joins the tables of tests/runs/test_sick_parts.py by a class here.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from support.ews_double import Exchange
from support.exchanges import PASSWORD, exchange_profile
from support.graph_boxes import graph_profile
from support.graph_double import GraphDouble, Sick
from support.vaults import TestVault

_NUMBERS = itertools.count()
FOLDERS = ("Alpha", "Beta", "Gamma")


class Sickroom(ABC):
    """Mailboxes at one service, filled by the test."""

    refusals: tuple[str, ...]
    """The ways in which the service may refuse one mailbox of several."""
    passing: tuple[str, ...]
    """Refusals that the server does not call permanent. The source waits for these."""
    patience: int
    """Most seconds that the source waits for the first of these."""
    lasting: str
    """A refusal that is not tried twice."""
    folder_refusals: tuple[str, ...]

    def __init__(self) -> None:
        self.name = f"profile-{next(_NUMBERS)}"
        self.people: list[str] = []

    def hire(self, count: int) -> list[str]:
        """Make new mailboxes. Returns their addresses."""
        new = [f"{letter}.{self.name}@example.com" for letter in "abcdefghijklmnopqrstuvwxyz"[:count]]
        self.people += new
        for address in new:
            self.open(address)
        return new

    @abstractmethod
    def open(self, address: str) -> None:
        """Make a mailbox."""

    @abstractmethod
    def put(self, address: str, mails: Iterable[bytes], folder: str = FOLDERS[0]) -> None:
        """Deliver messages into a folder."""

    @abstractmethod
    def profile(self, vault: TestVault, **fields: Any) -> None:
        """A profile for all mailboxes, with the room's name."""

    @abstractmethod
    def sicken(self, address: str, how: str) -> None:
        """Refuse one mailbox from now on."""

    @abstractmethod
    def sicken_folder(self, address: str, folder: str, how: str) -> None:
        """Refuse one folder from now on."""

    @abstractmethod
    def poison(self, address: str, contents: Iterable[bytes]) -> None:
        """Fail at these messages from now on."""

    @abstractmethod
    def expire(self) -> None:
        """Accept no login from before any more."""

    @abstractmethod
    def on_fetch(self, count: int, then: Any) -> None:
        """Call `then` once `count` messages, or batches of them, were requested."""

    @abstractmethod
    def on_listing(self, count: int, then: Any) -> None:
        """Call `then` once `count` parts of a listing were sent."""

    @abstractmethod
    def heal(self) -> None:
        """End all faults."""

    @abstractmethod
    def listings(self) -> int:
        """Number of parts of listings that were sent."""

    @abstractmethod
    def left(self, address: str = "") -> int:
        """Number of messages in a mailbox, or in all."""


class GraphRoom(Sickroom):
    """Microsoft 365, by the double of Graph."""

    refusals = (
        "500 ErrorInternalServerError", "401 UnknownError", "400 ErrorInvalidUser", "409 ErrorMailboxBlocked",
        "503 MailboxInfoStale", "404 MailboxNotEnabledForRESTAPI", "403 ErrorAccessDenied", "403 ",
        "403 <html>", "429 ApplicationThrottled 30", "503 ServiceUnavailable 600", "504 GatewayTimeout",
        "423 Locked", "507 QuotaExceeded",
    )  # fmt: skip
    patience = 6 * 60
    passing = ("503 MailboxInfoStale", "429 ApplicationThrottled 30", "503 ServiceUnavailable 600")
    lasting = "409 ErrorMailboxBlocked"
    folder_refusals = ("500 ErrorInternalServerError", "400 ErrorFolderCorrupt", "403 <html>")

    def __init__(self, double: GraphDouble) -> None:
        super().__init__()
        double.calm()
        self.double = double

    def open(self, address: str) -> None:
        self.double.mailbox(address)

    def put(self, address: str, mails: Iterable[bytes], folder: str = FOLDERS[0]) -> None:
        box = self.double.mailboxes[address]
        box.put(mails, box.folder(folder))

    def profile(self, vault: TestVault, **fields: Any) -> None:
        graph_profile(vault, self.double, self.name, **{"mailboxes": self.people} | fields)

    def sicken(self, address: str, how: str) -> None:
        self.double.mailboxes[address].sick = _sick(how)

    def sicken_folder(self, address: str, folder: str, how: str) -> None:
        box = self.double.mailboxes[address]
        box.folders[box.folder(folder)].sick = _sick(how)

    def poison(self, address: str, contents: Iterable[bytes]) -> None:
        bad = set(contents)
        for message in self.double.mailboxes[address].messages():
            if message.raw in bad:
                message.broken = "ErrorInternalServerError"

    def expire(self) -> None:
        self.double.expire()

    def on_fetch(self, count: int, then: Any) -> None:
        begun = self.double.asked["value"]
        self.double.on_message = lambda asked: then() if asked - begun == count else None

    def on_listing(self, count: int, then: Any) -> None:
        begun = self.double.asked["delta"]
        self.double.on_page = lambda: then() if self.double.asked["delta"] - begun == count else None

    def heal(self) -> None:
        assert self.double.unknown == [], "a request that no public page describes"
        self.double.on_message, self.double.on_page = (lambda count: None), (lambda: None)
        self.double.deletes = 204
        for address in self.people:
            box = self.double.mailboxes[address]
            box.sick = None
            for folder in box.folders.values():
                folder.sick = None
            for message in box.messages():
                message.broken = ""

    def listings(self) -> int:
        return self.double.asked["delta"]

    def left(self, address: str = "") -> int:
        people = [address] if address else self.people
        return sum(len(self.double.mailboxes[one].messages()) for one in people)


def _sick(how: str) -> Sick:
    status, code, after, *_ = f"{how}  ".split(" ")
    return Sick(int(status), "" if code == "<html>" else code, after, html=code == "<html>")


class ExchangeRoom(Sickroom):
    """Exchange Server with impersonation."""

    refusals = (
        "fault ErrorNonExistentMailbox", "fault ErrorAccountDisabled", "fault ErrorImpersonationFailed",
        "fault ErrorMailboxMoveInProgress", "fault ErrorMailboxStoreUnavailable",
        "fault ErrorMailboxFailover", "fault ErrorInternalServerError", "fault ErrorADUnavailable",
        "fault ErrorNonPrimarySmtpAddress", "message ErrorAccessDenied",
        "message ErrorMailboxStoreUnavailable", "message ErrorInternalServerError", "status 503",
        "status 503 30", "status 500",
    )  # fmt: skip
    passing = ("status 503 30",)
    patience = 19 * 60
    lasting = "fault ErrorNonExistentMailbox"
    folder_refusals = ("ErrorInternalServerError", "ErrorFolderCorrupt")

    def __init__(self, double: Exchange) -> None:
        super().__init__()
        self.double = double
        double.logins["svc"] = PASSWORD
        double.impersonators.add("svc")

    def open(self, address: str) -> None:
        self.double.person(address)

    def put(self, address: str, mails: Iterable[bytes], folder: str = FOLDERS[0]) -> None:
        person = self.double.people[address]
        person.put(mails, person.folder(folder))

    def profile(self, vault: TestVault, **fields: Any) -> None:
        own = {"mailbox": "svc", "mailboxes": self.people, "access": "impersonation", "name": self.name}
        exchange_profile(vault, self.double, **own | fields)

    def sicken(self, address: str, how: str) -> None:
        person = self.double.people[address]
        kind, code, *after = how.split(" ")
        if kind == "fault":
            person.fault = code
        elif kind == "message":
            person.sick = code
        else:
            person.status = (int(code), {"Retry-After": after[0]} if after else {})

    def sicken_folder(self, address: str, folder: str, how: str) -> None:
        self.double.people[address].folder(folder).sick = how

    def poison(self, address: str, contents: Iterable[bytes]) -> None:
        bad = set(contents)
        for folder in self._folders(address):
            for mail in folder.items.values():
                if mail.content in bad:
                    mail.error = "ErrorMailboxStoreUnavailable"

    def expire(self) -> None:
        self.double.fail += [(401, {})] * 2

    def on_fetch(self, count: int, then: Any) -> None:
        self._on("GetItem", count, then)

    def on_listing(self, count: int, then: Any) -> None:
        self._on("SyncFolderItems", count, then)

    def _on(self, wanted: str, count: int, then: Any) -> None:
        begun = self.double.asked[wanted]

        def after(operation: str) -> None:
            if operation == wanted and self.double.asked[wanted] - begun == count:
                then()

        self.double.after = after

    def heal(self) -> None:
        assert self.double.unknown == [], "a request that no public page describes"
        self.double.after = lambda operation: None
        self.double.fail.clear()
        for address in self.people:
            person = self.double.people[address]
            person.sick, person.fault, person.status = "", "", None
            for folder in self._folders(address):
                folder.sick = ""
                for mail in folder.items.values():
                    mail.error = ""

    def _folders(self, address: str) -> list[Any]:
        person = self.double.people[address]
        return [folder for owner, folder in self.double.folders.values() if owner is person]

    def listings(self) -> int:
        return self.double.asked["SyncFolderItems"]

    def left(self, address: str = "") -> int:
        people = [address] if address else self.people
        return sum(len(folder.items) for one in people for folder in self._folders(one))

"""A vault with mail of and to a person, and the requests about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from muniment import api
from support.reports import EPOCH, line, plain, report
from support.vaults import TestVault

PDF = ("contract.pdf", b"%PDF-1.4 nothing")


def letter(subject: str, sender: str, *to: str, bcc: str = "", more: Any = None, **fields: Any) -> bytes:
    """A journal report of a message; the Bcc recipient is on the envelope alone.

    Args:
        subject: The subject.
        sender: The sender's address.
        to: Addresses of recipients.
        bcc: A Bcc recipient; "" for none.
        more: Header lines of the message.
        fields: As `reports.plain` takes them.
    """
    original = plain(sender=sender, to=to, subject=subject, headers=more or (), **fields)
    hidden = [line("Bcc", bcc)] if bcc else []
    return report(original, sender=sender, recipients=[*(line("To", one) for one in to), *hidden])


def fill(vault: TestVault) -> None:
    """Add Anna Berg with a former address, and mail that concerns her, and mail that does not."""
    vault.client.call(
        api.AddUser(name="Anna Berg", addresses=("anna@example.com", "a.berg@example.com")), api.Done
    )
    vault.archive(
        [
            letter("sent", "anna@example.com", "bob@example.com", date=EPOCH, attachments=[PDF]),
            letter("former", "carl@example.com", "a.berg@example.com", date=EPOCH + 100),
            letter("blind", "carl@example.com", "bob@example.com", bcc="anna@example.com", date=EPOCH + 200),
            letter("hidden", "carl@example.com", "anna@example.com", bcc="eve@example.com", date=EPOCH + 300,
                   more=["Bcc: eve@example.com"]),
            letter("others", "carl@example.com", "bob@example.com", date=EPOCH + 400, body="about plums\n"),
            letter("named", "carl@example.com", "bob@example.com", date=EPOCH + 500,
                   body="Berg, Anna is ill\n"),
        ],
        journal=True,
    )  # fmt: skip


def opened(vault: TestVault, *people: str, reason: str = "letter of 3 March", **more: Any) -> api.SubjectWord:
    """Open a request."""
    request = api.OpenSubject(people=people or ("anna@example.com",), reason=reason, **more)
    *_, made = vault.client.stream(request)
    assert isinstance(made, api.SubjectWord)
    return made


def listed(vault: TestVault, name: str = "anna@example.com", **more: Any) -> list[api.SubjectMessageWord]:
    """The messages of a request, page by page."""
    found: list[api.SubjectMessageWord] = []
    after = 0
    while True:
        request = api.ListSubjectMessages(name=name, after=after, **more)
        page = vault.client.call(request, api.SubjectMessages)
        found += page.messages
        after = page.after
        if not after:
            return found


def decide(
    vault: TestVault, decision: str, *ids: str, name: str = "anna@example.com", **more: Any
) -> api.SubjectDecided:
    """Decide about messages."""
    fields = {"reason": "looked at"} | more
    request = api.DecideSubject(name=name, decision=decision, ids=ids, **fields)
    return vault.client.call(request, api.SubjectDecided)


def package(vault: TestVault, path: Path, name: str = "anna@example.com", **more: Any) -> api.Done:
    """Make a package in a file."""
    *_, done = vault.client.stream(api.PackageSubject(name=name, path=str(path), **more))
    assert isinstance(done, api.Done)
    return done


def state(vault: TestVault, name: str = "anna@example.com") -> api.SubjectState:
    """A request and its counts."""
    return vault.client.call(api.ShowSubject(name=name), api.SubjectState)

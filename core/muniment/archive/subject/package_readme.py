"""The README of a package, for a reader who is no lawyer and knows nothing of archives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from muniment.archive.subject.requests import SubjectRequest
from muniment.system.formatting import count
from muniment.system.sanitise import clean

if TYPE_CHECKING:
    from muniment.archive.subject.package import PackagePlan

_PAGE = """\
Here is the mail about you that you asked for.

Request          {name}{case}
Its mail is from the archive as it was on {opened} (UTC). Mail that came later is not part of it.

  index.html         the list of the messages; open it in a browser
  index.csv          the same list for a spreadsheet
  messages/          the messages. Any mail program opens them, with their attachments
{withheld}\
  manifest.jsonl     for programs: the SHA-256 of each file, one object of JSON on a line

What is here

  {included} of the {collected} messages that were found are here.
{rest}
"Your part" in the list says what you are to a message: its sender, one of its recipients (to, cc, bcc), or
the owner of the mailbox where it was. Who else received a message is said only where the message itself says
so to all of its readers.
{changed}
How to check it

"""


def readme(request: SubjectRequest, plan: PackagePlan, given: int, changed: int, impossible: int) -> str:
    """Return the beginning of the README; the part about proofs follows.

    Args:
        request: The request.
        plan: What is handed over.
        given: How many messages are in it.
        changed: How many messages of these are in their public form.
        impossible: How many messages could not be handed over.
    """
    case = clean(request.record.case)
    return _PAGE.format(
        name=clean(request.name),
        case=f" (case {case})" if case else "",
        opened=f"{datetime.fromtimestamp(request.opened, UTC):%Y-%m-%d %H:%M}",
        withheld="  withheld.csv       the numbers of the messages that are not here, and why\n"
        if plan.listed
        else "",
        included=count(given),
        collected=count(request.collected),
        rest="".join(f"  {line}\n" for line in _rest(plan, impossible)),
        changed=_CHANGED.format(count=_are(changed)) if changed else "",
    )


_CHANGED = """
{count} in a shorter form: lines of the header are left out that could name other
people. The text and the attachments are complete.
"""
UNPROVEN = """
{count} of the messages have no proof: the archive has more of their header than is here, or they are too
many. The manifest has the SHA-256 of the files as they are here.
"""


def _rest(plan: PackagePlan, impossible: int) -> list[str]:
    lines = []
    if plan.withheld:
        lines.append(f"{_are(plan.withheld)} withheld, such as to protect other people.")
    if plan.states["erased"]:
        lines.append(f"{_are(plan.states['erased'])} erased since, by a decision that the archive records.")
    if plan.states["sealed"]:
        lines.append(f"{_are(plan.states['sealed'])} confidential, and could not be looked at for this.")
    if impossible:
        lines.append(f"{_are(impossible)} left out, since names of other people could not be removed.")
    return lines


def _are(number: int) -> str:
    return f"{count(number)} {'message is' if number == 1 else 'messages are'}"

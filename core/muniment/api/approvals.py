"""Requests about approvals: acts that need a second person."""

from __future__ import annotations

from typing import Any

from muniment.api.base import Request, WireWord


class ApprovalWord(WireWord, frozen=True):
    """An act that someone asked for, and what became of it. Part of Approvals."""

    id: str
    act: str
    """The act's name, such as "hold release"."""
    what: str
    """What it would do, in words."""
    of: dict[str, Any]
    """Its exact arguments."""
    reason: str
    asked: int
    """When it was asked for."""
    by: str
    """The login of who asked."""
    state: str
    """"waiting", "approved" (and to be tried again, since the act failed), "done", "refused", "withdrawn" or
    "expired"."""
    until: int = 0
    """When it expires; 0 unless it is waiting or approved."""
    answered: int = 0
    """When it was answered last; 0 before."""
    answered_by: str = ""
    answer_reason: str = ""
    used: int = 0
    """When the act was done; 0 before."""
    error: str = ""
    """Why the act failed when it was last tried."""
    mine: bool = False
    """Whether the caller asked for it, and so can't approve it."""


class ListApprovals(Request, frozen=True):
    """Ask for a page of approvals, the newest first.

    Role: auditor.
    Reply: Approvals.
    """

    answered: bool = False
    """Whether to list those as well that no one waits for any more."""
    limit: int = 100
    """Most approvals of the page."""
    before: int = 0
    """`Approvals.after` of the page before; 0 for the first page."""


class Approvals(WireWord, frozen=True):
    """A page of approvals."""

    total: int
    """Approvals in the whole list."""
    waiting: int
    """Approvals that someone must answer or try again, in all."""
    approvals: tuple[ApprovalWord, ...]
    needed: tuple[str, ...] = ()
    """The acts that need a second person."""
    left_out: tuple[str, ...] = ()
    """Those of `needed` that vault.toml does not name now. It takes an approval to end that."""
    after: int = 0
    """`before` of the next page; 0 if this is the last one."""


class ShowApproval(Request, frozen=True):
    """Ask for one approval.

    Role: auditor.
    Reply: ApprovalWord.

    Raises:
        NotFound: No approval, or more than one, has an id that begins like this.
    """

    id: str


class AnswerApproval(Request, frozen=True):
    """Approve or refuse what another administrator asked for, or withdraw what the caller asked for.

    On approval the act is done at once, and the answer says so. If it fails, the approval can be used again.

    Role: administrator.
    Reply: Decided.

    Raises:
        NotFound: No approval, or more than one, has an id that begins like this.
        AccessRefused: The caller asked for it, or did not ask for what is to be withdrawn.
        UsageError: It was answered before, or has expired.
        VaultError: It is approved, but the act failed; the sentence says why.
    """

    id: str
    answer: str
    """"approve", "refuse" or "withdraw"."""
    reason: str = ""


class RelaxApprovals(Request, frozen=True):
    """Ask that an act needs no second person from now on. Remove it from [approvals] in vault.toml first.

    Role: administrator.
    Reply: Decided, which always waits for another administrator.

    Raises:
        NotFound: The act needs no second person.
        UsageError: vault.toml still names the act, or the reason is missing.
    """

    act: str
    reason: str

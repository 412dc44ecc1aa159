"""Whose mail a request reads, for the audit trail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from muniment import api
from muniment.api import Request
from muniment.archive.operations.search import find
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError
from muniment.service.access.audit_trail import PEOPLE
from muniment.service.operations.reading import choice_of
from muniment.service.operations.time_zone import zone_asked


def concerned(vault: Vault, request: Request, messages: Iterable[int]) -> dict[str, Any]:
    """The fields of an event that say whose mail a request reads, and how much an export takes.

    Args:
        vault: the vault.
        request: a request that reads mail.
        messages: record numbers of the messages that it names by id.

    Returns:
        `people`, ids of users; left out for everybody's mail, or if there are too many. `total`, for an
        export.
    """
    fields: dict[str, Any] = {}
    user = getattr(request, "user", "")
    numbers = {number for number in messages if number >= 0}
    # Messages decide before a named user, whose mail they need not be.
    ids = vault.catalog.holders(numbers) if numbers or not user else {_user_id(vault, user)}
    if len(ids) <= PEOPLE:  # of more, the event names the messages alone
        fields["people"] = sorted(ids - {""})
    if isinstance(request, api.Export | api.Restore):
        fields["total"] = _total(vault, request)
    return fields


def _user_id(vault: Vault, name: str) -> str:
    """The id of a user; "" if there is none, which the request's handler reports."""
    try:
        return vault.directory.find(name).id
    except MunimentError:
        return ""


def _total(vault: Vault, request: api.Export | api.Restore) -> int:
    """How many messages a request selects, as lists and searches count them."""
    choice = choice_of(vault, request)
    if choice.ids:
        return len(set(choice.ids))
    if choice.folder:
        folders = dict(vault.catalog.folders(vault.directory.find(choice.user).id))
        return folders.get(choice.folder, 0)
    zone, without = zone_asked(request.zone), choice.without
    return find(vault, choice.query, choice.user, 1, zone=zone, without=without).total

"""Keeps sealed mail from readers whom its seal does not name, in every role.

A sealed person's folders can't be listed, and a message that such a person has is not opened, exported or
found, also where other people have it too. In a list of another person's folder it is a line without content,
so that the list stays complete. Whether a rule, a hold or its query covers such a message is not said either,
and an erasure does not name it: who may not look at a message can't judge that. Plain users read their own
mail as ever.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.catalog.id_prefixes import is_prefix
from muniment.archive.operations.check_names import person
from muniment.archive.operations.public_ids import PublicIds
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound
from muniment.service.access.rights import ClosedMail
from muniment.service.operations.reading import message_named

READING = (
    api.GetTree, api.ListMessages, api.Search, api.Show, api.ReadRaw, api.ReadAttachment, api.Export,
    api.Prove, api.ShowRetention, api.CheckErasure, api.Erase, api.Restore,
)  # fmt: skip
"""Requests that read mail, say something of it, or erase what is named."""
SEALED = "(sealed)"
"""The subject of a message in a list that the reader must not open."""


def without_sealed(vault: Vault, closed: ClosedMail, request: Request) -> Request:
    """Return a request as it may be answered.

    Raises:
        AccessRefused: it names a person or a message whose mail is sealed.
    """
    if isinstance(request, api.ListMessages | api.Search | api.Export | api.Restore) and request.user:
        _require_person(vault, closed, request.user)
    if isinstance(request, api.Show | api.ReadRaw | api.ReadAttachment | api.Prove | api.ShowRetention):
        _require_messages(vault, closed, (request.id,))
    if isinstance(request, api.Export | api.Restore | api.CheckErasure | api.Erase):
        _require_messages(vault, closed, request.ids)
    return _leaving_out(closed, request)


def granted_without_sealed(
    vault: Vault, closed: ClosedMail, request: Request, user: str, named: Collection[int]
) -> Request:
    """Return the request of a plain user who reads a person's mail by a grant, as it may be answered.

    Only messages that the person has are looked at, so that a refusal reveals nothing of other people's mail.

    Args:
        vault: the vault.
        closed: the mail that the caller must not open.
        request: the request.
        user: id of the person.
        named: numbers of the messages that the request names.

    Raises:
        AccessRefused: it names a message that is sealed.
    """
    closed.require_messages(vault.catalog.placed(user, named))
    return _leaving_out(closed, request)


def _leaving_out(closed: ClosedMail, request: Request) -> Request:
    if isinstance(request, api.Search | api.Export | api.Restore):
        return replace(request, without=tuple(sorted(closed.users)))
    return request


def _require_person(vault: Vault, closed: ClosedMail, name: str) -> None:
    try:
        closed.require_person(person(vault, name).id)
    except NotFound:  # the handler reports it
        return


def _require_messages(vault: Vault, closed: ClosedMail, ids: tuple[str, ...]) -> None:
    numbers = []
    for id_ in ids:
        try:
            numbers.append(message_named(vault, id_).sequence)
        except NotFound:  # the handler reports it; an item of quarantine has another id
            continue
    closed.require_messages(numbers)


def sealed_reply(vault: Vault, closed: ClosedMail, request: Request, answer: WireWord) -> WireWord:
    """Return a reply without the content of sealed messages."""
    if isinstance(answer, api.Tree):
        labels = closed.labels
        return replace(answer, users=tuple(one for one in answer.users if one.user not in labels))
    if isinstance(answer, api.Hits) and isinstance(request, api.ListMessages):
        return replace(answer, hits=_blanked(vault, closed, answer.hits))
    return answer


def _blanked(vault: Vault, closed: ClosedMail, hits: tuple[api.Hit, ...]) -> tuple[api.Hit, ...]:
    numbers = {hit.id: _number(vault, hit.id) for hit in hits}
    sealed = closed.sealed_of(set(numbers.values()))
    return tuple(
        replace(hit, sender="", to="", subject=SEALED, folders=()) if numbers[hit.id] in sealed else hit
        for hit in hits
    )


def _number(vault: Vault, id_: str) -> int:
    """The number of a message by either of its ids; -1 for none, as after it was displaced."""
    row = vault.catalog.message_by_sha(bytes.fromhex(id_))
    if row is None and is_prefix(id_):
        row = PublicIds(vault.directory.id_key).find(vault.catalog, id_)
    return row.sequence if row is not None else -1

"""Groups in a search: the mail of the people who are in a group now."""

from __future__ import annotations

from collections.abc import Iterator

from muniment.archive.query import And, GroupTerm, Node, Not, Or, RecordNumbers, UserTerm, WordTerm, either
from muniment.archive.vault.vault import Vault
from muniment.errors import QueryError
from muniment.people.directory import Directory
from muniment.people.groups import GroupMember

SEARCHED = 500
"""Most members of a group that a search can name: each is compared with the catalog by itself."""
_FIELDS = ("from", "to", "cc", "bcc")


def with_groups(vault: Vault, node: Node, now: int, most: int = SEARCHED) -> Node:
    """Replace each `GroupTerm` in a query by its members at a time.

    Raises:
        NotFound: There is no such group.
        QueryError: A group has too many members.
    """
    match node:
        case And(items):
            return And(tuple(with_groups(vault, item, now, most) for item in items))
        case Or(items):
            return Or(tuple(with_groups(vault, item, now, most) for item in items))
        case Not(item):
            return Not(with_groups(vault, item, now, most))
        case GroupTerm(name):
            return _members(vault.directory, name, now, most)
        case _:
            return node


def _members(directory: Directory, name: str, now: int, most: int) -> Node:
    group = directory.groups.named(name)
    members = list(group.at(now))
    if len(members) > most:
        raise QueryError(
            f"The group {group.name} has {len(members):,} members, and a search takes at most {most}; "
            "search for smaller groups, or for people."
        )
    terms = [term for member in members for term in _terms(directory, member)]
    return either(terms) if terms else RecordNumbers(())


def _terms(directory: Directory, member: GroupMember) -> Iterator[Node]:
    if member.user:
        yield UserTerm(directory.label(member.user))
    else:
        yield from (WordTerm(member.address, field) for field in _FIELDS)


def names_groups(node: Node) -> bool:
    """Return whether a query names a group."""
    match node:
        case And(items) | Or(items):
            return any(names_groups(item) for item in items)
        case Not(item):
            return names_groups(item)
        case _:
            return isinstance(node, GroupTerm)

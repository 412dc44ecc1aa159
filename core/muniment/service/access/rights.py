"""The rights that the ledger records: grants, seals, and the roles of vault.toml."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from muniment.archive.ledger.model import RecordKind
from muniment.archive.vault.vault import Vault
from muniment.config.model import AccessSection
from muniment.errors import AccessRefused, VaultError
from muniment.people.directory import Directory, User
from muniment.people.grants import AccessBook, AccessGrant, access_book, roles_value
from muniment.people.logins import LoginState, login_of


def book_of(vault: Vault) -> AccessBook:
    """All grants, seals and roles of a vault.

    Raises:
        VaultError: a record can't be read, so no right beyond vault.toml's may be derived from them.
    """
    try:
        return access_book(vault.catalog.decisions(RecordKind.GRANT))
    except ValueError as error:
        raise VaultError(
            f"the records of access rights can't be read ({error}): use the newest version of this program, "
            "and run `muniment verify`"
        ) from error


def record_roles(vault: Vault, read: Callable[[], AccessSection]) -> None:
    """Record who can do and read everything by vault.toml, if that differs from the last record.

    Args:
        vault: the vault, open for writing.
        read: gives [access] of vault.toml as it is now. It is called again at this writer's turn.

    Raises:
        VaultError: the ledger can't be written now.
    """
    if _recorded(book_of(vault), read()):
        return
    vault.decide(
        RecordKind.GRANT,
        lambda earlier: [] if _recorded(access_book(earlier), read()) else [_roles(read())],
        int(time.time()),
    )


def _roles(access: AccessSection) -> dict[str, object]:
    return roles_value(access.administrators, access.auditors)


def _recorded(book: AccessBook, access: AccessSection) -> bool:
    wanted = (set(access.administrators), set(access.auditors))
    if not book.roles:
        return not any(wanted)
    last = book.roles[-1]
    return (set(last.administrators), set(last.auditors)) == wanted


def grants_now(vault: Vault, login: str, own: str = "") -> tuple[AccessGrant, ...]:
    """The grants of a login that are in force now; `own` is the id of the user that it is bound to."""
    now = int(time.time())
    groups = vault.directory.groups.of(own, now) if own else ()
    return tuple(book_of(vault).grants_of(login, now, groups))


class ClosedMail:
    """Sealed mail that a reader who may otherwise read everything must not open."""

    def __init__(self, vault: Vault, users: frozenset[str], own: str = "") -> None:
        """Make it of the people whose mail is sealed; `closed_mail` finds them.

        `own` is the id of the reader in the directory; "" for none. Mail that the reader has is open.
        """
        self._vault = vault
        self._own = own
        self.users = users - {own}
        """Ids of the people."""

    def __bool__(self) -> bool:
        return bool(self.users)

    @property
    def labels(self) -> frozenset[str]:
        """The labels of the people."""
        return frozenset(self._vault.directory.label(user) for user in self.users)

    def require_person(self, user: str) -> None:
        """Check that the mail of a person may be opened.

        Raises:
            AccessRefused: it is sealed.
        """
        if user in self.users:
            raise self._refused(f"the mail of {self._vault.directory.label(user)}")

    def require_messages(self, messages: Collection[int]) -> None:
        """Check that messages may be opened.

        Raises:
            AccessRefused: one of them is sealed.
        """
        if self.sealed_of(messages):
            raise self._refused("this message")

    def sealed_of(self, messages: Collection[int]) -> set[int]:
        """The subset of messages that a sealed person has in a folder, and the reader has not."""
        placed = self._vault.catalog.placed
        if not messages:
            return set()
        sealed = set().union(*(placed(user, messages) for user in self.users))
        return sealed - placed(self._own, sealed) if sealed and self._own else sealed

    def _refused(self, what: str) -> AccessRefused:
        return AccessRefused(
            f"{what} is sealed: only the logins that `muniment access list` names may open it; an "
            "administrator can change that with `muniment access seal`, which is recorded"
        )


def closed_mail(vault: Vault, login: str, own: str = "") -> ClosedMail:
    """The sealed mail that a login must not open now; `own` is the id of the user that it is bound to."""
    return ClosedMail(vault, book_of(vault).closed_to(login, int(time.time())), own)


def closed_to(vault: Vault, login: str, access: AccessSection) -> ClosedMail:
    """The sealed mail that a login must not open now; its own mail is open to it."""
    address = access.users.get(login, "")
    own = person(vault.directory, login, address) if address else None
    return closed_mail(vault, login, own.id if own is not None else "")


def person(directory: Directory, login: str, address: str) -> User | None:
    """The user whose mail a login reads; None if the login is not bound, or its address has moved."""
    found = login_of(directory, login, address)
    return directory.user(found.user) if found.state is LoginState.BOUND and found.user is not None else None

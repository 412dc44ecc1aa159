"""About profiles."""

from __future__ import annotations

from typing import Any

from msgspec import field

from muniment.api.base import Request, Word


class ProfileWord(Word, frozen=True):
    """A profile as vault.toml has it; never holds a password, only where it comes from."""

    name: str
    source: str
    fields: dict[str, Any]
    version: str = ""
    """Which text of vault.toml this was read from; said back with a change, it keeps others' changes."""
    tested: bool = True
    """False: it was saved without a test, and runs by hand only until a test or a run of it succeeds."""


class Profiles(Word, frozen=True):
    profiles: tuple[ProfileWord, ...]
    version: str = ""
    """As in ProfileWord."""


class ListProfiles(Request, frozen=True):
    """Every profile, with the fields that are not at their defaults. Reply: Profiles."""


class ShowProfile(Request, frozen=True):
    """Reply: ProfileWord, with defaults filled in."""

    name: str


class _Discreet:
    """For words that may hold a password: shown, they say their name alone."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class PutProfile(_Discreet, Request, frozen=True):
    """Add a profile (`new`), or change the named fields of one (None removes). Reply: Done.

    A profile that is new, or reaches its mailbox otherwise than before, runs by hand only until a test or a
    run of it succeeds (TestProfile before it is saved counts). `enabled` among the fields is a person's word
    that it runs by itself now.

    With a `version` it is refused (SettingsChanged) where vault.toml is of another one. With a
    `password` the service keeps that where `keep` says, and sets the field "password" to that place.
    """

    name: str
    fields: dict[str, Any]
    new: bool = False
    version: str = ""
    password: str = ""
    keep: str = "file"
    """"file": in a file of the vault, for its owner alone; "keyring": in the owner's keyring."""


class RenameProfile(Request, frozen=True):
    """Give a profile another name. Nothing is fetched again: what is kept goes by mailbox. Reply: Done."""

    name: str
    to: str
    version: str = ""


class RemoveProfile(Request, frozen=True):
    """Reply: Done. What was archived stays, and so does a password that the service keeps."""

    name: str
    version: str = ""


class CheckProfile(_Discreet, Request, frozen=True):
    """Say what is wrong with a profile that is not saved; nothing is reached. Reply: Problems."""

    name: str
    fields: dict[str, Any]
    """Those of vault.toml, `source` among them."""
    new: bool = False
    password: str = ""
    """One that is typed, as PutProfile would have it."""
    version: str = ""
    """As in PutProfile: SettingsChanged where vault.toml is of another one."""


class Problems(Word, frozen=True):
    problems: dict[str, str] = field(default_factory=dict)
    """A sentence by field, "name" among them; empty when it can be saved."""
    tested: bool = True
    """Whether a test of it went well. Else it is saved to run by hand only, unless `enabled` is given."""


class SignIn(Request, frozen=True):
    """Let the person of a mailbox sign in by a code (auth = "device"). Stream of Step, then Done."""

    name: str = ""
    """The profile's."""
    notify: bool = False
    """The mailbox that [notify.mail] sends from, in place of a profile's."""


class TestProfile(_Discreet, Request, frozen=True):
    """Reach the mailbox and list it; fetches and deletes nothing.

    Stream of Step and Certificate, then Done; what fails is raised. With `fields` (`source` among
    them) it is a profile that is not saved, or not as it is saved; with `password`, with that.
    """

    name: str
    fields: dict[str, Any] | None = None
    password: str = ""


class Step(Word, frozen=True):
    """One step of a test: what was tried, and whether it worked."""

    text: str
    ok: bool = True


class Certificate(Word, frozen=True):
    """The certificate that a server shows. Its texts are the server's."""

    subject: str
    issuer: str
    expires: int
    """Seconds since 1970 UTC."""
    fingerprint: str
    """SHA-256 in hex: as the field `fingerprint`, it is trusted for itself."""
    self_signed: bool
    trusted: bool
    """Whether it passed; where it did not, the reason is raised next."""

"""Requests about profiles: list, change, check and test them."""

from __future__ import annotations

from typing import Any

from msgspec import field

from muniment.api.base import Request, WireWord
from muniment.system.discreet import Discreet


class ProfileWord(WireWord, frozen=True):
    """A profile of vault.toml. It never holds a password, only where the password comes from."""

    name: str
    source: str
    """The kind of source, such as "imap"; see ProfileStatus."""
    fields: dict[str, Any]
    """The profile's fields by name, as in vault.toml, without name and source."""
    version: str = ""
    """The version of vault.toml that this was read from. Send it with a change, and the change is refused if
    somebody else has changed the file in between."""
    tested: bool = True
    """False if the profile was saved without a test. It then runs only by hand, until a test or a run of it
    succeeds."""


class Profiles(WireWord, frozen=True):
    """All profiles of vault.toml, in its order."""

    profiles: tuple[ProfileWord, ...]
    version: str = ""
    """As in ProfileWord."""


class ListProfiles(Request, frozen=True):
    """Ask for all profiles. Fields with their default values are left out.

    Role: administrator.
    Reply: Profiles.
    """


class ShowProfile(Request, frozen=True):
    """Ask for one profile, with all fields; defaults are filled in.

    Role: administrator.
    Reply: ProfileWord.

    Raises:
        NotFound: there is no such profile.
    """

    name: str


class PutProfile(Discreet, Request, frozen=True):
    """Add a profile, or change fields of one.

    Role: administrator.
    Reply: Done.

    A profile that is new, or that reaches its mailbox in another way than before, runs only by hand until a
    test or a run of it succeeds. A successful TestProfile of the same fields before the save counts. If
    `enabled` is among the fields, the profile runs by itself without a test.

    Raises:
        ConfigError: a field is unknown or wrong, or the name is taken or not allowed.
        NotFound: there is no such profile, and `new` is false.
        SettingsChanged: vault.toml has another version than `version`.
    """

    name: str
    fields: dict[str, Any]
    """The fields to set, by name. None removes a field, so its default applies."""
    new: bool = False
    """Add the profile; false changes an existing one."""
    version: str = ""
    """The version of vault.toml that the change was made for; "" for any version."""
    password: str = ""
    """A password to store at the place that `keep` names. The field "password" is then set to that place.
    "" changes nothing."""
    keep: str = "file"
    """"file": a file in the vault that only its owner can read. "keyring": the owner's keyring."""


class RenameProfile(Request, frozen=True):
    """Rename a profile. Nothing is fetched again, since archived messages are known by their mailbox.

    Role: administrator.
    Reply: Done. Past runs keep the old name.

    Raises:
        ConfigError: the new name is taken or not allowed.
        NotFound: there is no such profile.
        SettingsChanged: vault.toml has another version than `version`.
    """

    name: str
    to: str
    """The new name."""
    version: str = ""
    """As in PutProfile."""


class RemoveProfile(Request, frozen=True):
    """Remove a profile from vault.toml. Archived mail stays, and so does a password that the service stored.

    Role: administrator.
    Reply: Done.

    Raises:
        NotFound: there is no such profile.
        SettingsChanged: vault.toml has another version than `version`.
    """

    name: str
    version: str = ""
    """As in PutProfile."""


class CheckProfile(Discreet, Request, frozen=True):
    """Check the fields of a profile that is not saved. Nothing is connected to.

    Role: administrator.
    Reply: Problems.

    Raises:
        SettingsChanged: vault.toml has another version than `version`.
    """

    name: str
    fields: dict[str, Any]
    """All fields as in vault.toml, `source` included."""
    new: bool = False
    """Whether the profile is to be added."""
    password: str = ""
    """A typed password, as in PutProfile."""
    version: str = ""
    """As in PutProfile."""


class Problems(WireWord, frozen=True):
    """The problems of a profile that was checked."""

    problems: dict[str, str] = field(default_factory=dict)
    """A sentence for each wrong field, by the field's name; "name" is the profile's name. Empty if the
    profile can be saved."""
    tested: bool = True
    """Whether the profile counts as tested. If not, it is saved to run only by hand, unless `enabled` is
    among the saved fields."""


class SignIn(Request, frozen=True):
    """Let the owner of a mailbox sign in with a code (auth = "device").

    Role: administrator.
    Stream: Step with the address and the code, then Done once they have signed in.

    Raises:
        ConfigError: the profile, or [notify.mail], does not use auth = "device".
        NotFound: there is no such profile.
        SourceError: the sign-in failed.
    """

    name: str = ""
    """The profile; ignored with `notify`."""
    notify: bool = False
    """Sign in for the mailbox that [notify.mail] sends from, not for a profile."""


class TestProfile(Discreet, Request, frozen=True):
    """Connect to a profile's mailbox and list it. Nothing is fetched or deleted.

    Role: administrator.
    Stream: Step and Certificate replies, then Done.

    Raises:
        ConfigError: the profile is incomplete, or its password is not available.
        NotFound: there is no such profile.
        SourceError: the mailbox can't be used; LoginRefused and CertificateRefused say why.
    """

    name: str
    fields: dict[str, Any] | None = None
    """All fields of a profile that is not saved, `source` included; None tests the saved profile."""
    password: str = ""
    """A password to use in place of the profile's; "" for the profile's."""


class Step(WireWord, frozen=True):
    """One step of a longer operation."""

    text: str
    """What was done or found. It may quote a server, and is not sanitised."""
    ok: bool = True
    """Whether it succeeded."""
    percent: int | None = None
    """For the progress of a stage: how much of it is done; None for any other step."""
    left: float | None = None
    """Seconds until the stage ends, at the present rate; None while not known."""
    work: int = 0
    """The number of the work that goes on in the service without its client; 0 if closing the stream stops
    it."""


class Certificate(WireWord, frozen=True):
    """The certificate that a server presented. Its texts come from the server; "" if unreadable."""

    subject: str
    issuer: str
    """The last two: distinguished names (RFC 4514)."""
    expires: int
    """End of validity, seconds since 1970 UTC; 0 if unreadable."""
    fingerprint: str
    """SHA-256 of the certificate, in hex. A profile whose field `fingerprint` has this value trusts the
    certificate."""
    self_signed: bool
    """Whether subject and issuer are the same."""
    trusted: bool
    """Whether it was accepted. If not, the next thing in the stream is the error that says why."""

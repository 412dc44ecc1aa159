"""The settings with which a profile's mailbox is reached: what the structs of the kinds have in common.

Each kind of source has a struct of its own in `profiles.kinds`, with the fields that the kind has and no
others. The names of fields are those of vault.toml, and so are their types.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from muniment.profiles.fields import FIELD

Auth = Literal["password", "ntlm", "basic", "app", "device", "google"]
Security = Literal["tls", "starttls", "none"]


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, tag_field="source"):
    """The settings of a source; the tag is the name of the kind."""

    @property
    def source(self) -> str:
        """The name of the kind."""
        return str(self.__struct_config__.tag)


class FileSettings(SourceSettings, frozen=True, kw_only=True):
    """The settings of a source in files."""

    path: str = ""
    """The file or folder."""


class LoginSettings(SourceSettings, frozen=True, kw_only=True):
    """The settings of a source on a server."""

    host: str = ""
    port: int | None = None
    """None: the usual port of the kind and the security."""
    mailbox: str = ""
    """The name to log in with."""
    password: dict[str, Any] | None = None
    """Where the password is stored: one of keyring, file, env, command. It is never the password itself."""
    ca_file: str = ""
    """A PEM file of certificate authorities to trust instead of the system's."""
    timeout: int = 300
    """Longest time for a network operation, in seconds."""


class TokenSettings(LoginSettings, frozen=True, kw_only=True):
    """The settings of a source on a server that also accepts access tokens (OAuth 2, see net.oauth)."""

    auth: Auth | None = None
    """How to log in; None: the kind's usual way. For "app", `password` is the application's secret."""
    directory: str = ""
    """The Microsoft 365 tenant, by its domain or id."""
    client_id: str = ""
    """The application's id."""
    certificate: str = ""
    """The application's certificate and key (PEM), or a Google service account's key file (JSON)."""
    authority: str = FIELD["authority"].default
    """The URL of the token service."""


class PinnedSettings(TokenSettings, frozen=True, kw_only=True):
    """The settings of a source on an organisation's own server, whose certificate can be pinned."""

    security: Security | None = None
    """None: the kind's usual one."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate in hex. It is trusted instead of the certificate authorities."""

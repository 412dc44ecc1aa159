"""IMAP mailboxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muniment.profiles.fields import FIELD, UNWANTED
from muniment.profiles.kinds.common import ANY_AUTH, GOOGLE, LINE, LOGIN, OUTLOOK, ROUTING, TOKENS
from muniment.profiles.rules import FOLDER_FIELDS, ON_A_SERVER, WHICH, WHOSE
from muniment.profiles.settings import PinnedSettings
from muniment.profiles.source_kind import Problems, SourceKind


class ImapSettings(PinnedSettings, frozen=True, kw_only=True, tag="imap"):
    """The settings of an IMAP mailbox."""

    folder: str = "INBOX"
    """The folder that journal reports arrive in."""
    folders: tuple[str, ...] = ()
    """With journal = false: patterns of the folders to archive (see sources.folders); empty for all."""
    exclude: tuple[str, ...] = UNWANTED
    """Patterns of the folders to leave out."""
    shared: bool = False
    """With journal = false: whether other people's folders and public ones are also read."""


def _folder(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    if not values["journal"] and values["folder"] != FIELD["folder"].default:
        yield "folder", "{folder} is for journal reports; use {folders} for an ordinary mailbox"


IMAP = SourceKind(
    name="imap",
    title="IMAP mailbox",
    settings=ImapSettings,
    fields=(*LOGIN, "folder", "journal", "owner", "delete"),
    more=(*FOLDER_FIELDS, "shared", *TOKENS, "timeout", *LINE, *ROUTING),
    rules=(*ON_A_SERVER, *WHOSE, _folder, *WHICH),
    opens="imap.source:ImapSource",
    page="docs/mailboxes.md#imap-servers-imap",
    server=True,
    reports="mailbox",
    ports={"tls": 993, "starttls": 143, "none": 143},
    speaks_first=True,
    auth=ANY_AUTH,
    scopes={
        "app": (f"{OUTLOOK}/.default",),
        "device": ("https://outlook.office.com/IMAP.AccessAsUser.All",),
        "google": (GOOGLE,),
    },
)

"""Maildir folders."""

from __future__ import annotations

from muniment.profiles.kinds.common import ROUTING
from muniment.profiles.rules import IN_FILES, WHICH, WHOSE
from muniment.profiles.settings import FileSettings
from muniment.profiles.source_kind import SourceKind


class MaildirSettings(FileSettings, frozen=True, kw_only=True, tag="maildir"):
    """The settings of a Maildir folder."""


MAILDIR = SourceKind(
    name="maildir",
    title="Maildir folder",
    settings=MaildirSettings,
    fields=("path", "delete"),
    more=(*ROUTING, "journal", "owner"),
    rules=(*IN_FILES, *WHOSE, *WHICH),
    opens="files.maildir:MaildirSource",
    page="docs/files.md#kinds",
    files=True,
    journal=True,
)

"""Folders of .eml files."""

from __future__ import annotations

from muniment.profiles.kinds.common import ROUTING
from muniment.profiles.rules import IN_FILES, WHICH, WHOSE
from muniment.profiles.settings import FileSettings
from muniment.profiles.source_kind import SourceKind


class EmlSettings(FileSettings, frozen=True, kw_only=True, tag="eml"):
    """The settings of a folder of .eml files."""


EML = SourceKind(
    name="eml",
    title="Folder of .eml files",
    settings=EmlSettings,
    fields=("path", "delete"),
    more=(*ROUTING, "journal", "owner"),
    rules=(*IN_FILES, *WHOSE, *WHICH),
    opens="files.eml:EmlSource",
    page="docs/files.md#kinds",
    files=True,
    once=True,
    journal=True,
)

"""mbox files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muniment.profiles.kinds.common import ROUTING
from muniment.profiles.rules import IN_FILES, WHICH, WHOSE
from muniment.profiles.settings import FileSettings
from muniment.profiles.source_kind import Problems, SourceKind


class MboxSettings(FileSettings, frozen=True, kw_only=True, tag="mbox"):
    """The settings of an mbox file, or of a folder of such files."""


def _kept(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    if values["delete"]:
        yield "delete", "nothing can be deleted in an mbox file; leave {delete} out"


MBOX = SourceKind(
    name="mbox",
    title="mbox file",
    settings=MboxSettings,
    fields=("path",),
    more=(*ROUTING, "journal", "owner"),
    rules=(*IN_FILES, _kept, *WHOSE, *WHICH),
    opens="files.mbox:MboxSource",
    page="docs/files.md#kinds",
    files=True,
    once=True,
    journal=True,
)

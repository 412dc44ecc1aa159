"""The spool of Muniment's own gateway, in the vault."""

from __future__ import annotations

from muniment.profiles.kinds.common import ROUTING
from muniment.profiles.rules import IN_THE_VAULT, WHICH, WHOSE
from muniment.profiles.settings import FileSettings
from muniment.profiles.source_kind import SourceKind


class SpoolSettings(FileSettings, frozen=True, kw_only=True, tag="spool"):
    """The settings of the spool. Without a path, it is the vault's own."""


SPOOL = SourceKind(
    name="spool",
    title="Muniment's own gateway (SMTP)",
    settings=SpoolSettings,
    fields=("delete",),
    more=("path", *ROUTING, "journal", "owner"),
    rules=(*IN_THE_VAULT, *WHOSE, *WHICH),
    opens="files.spool:SpoolSource",
    page="docs/mail-servers.md#recipients-that-the-gateway-accepts",
    journal=True,
    reports="embedded",
    delete=True,
)

"""The catalog: a projection of the ledger into SQLite, for lists and look-ups."""

from muniment.archive.catalog.catalog import EMPTY, Catalog
from muniment.archive.catalog.model import (
    AuditRow,
    CatalogDamaged,
    CatalogMention,
    CatalogOutdated,
    EnvelopeRow,
    FolderPage,
    IndexChange,
    KnownKey,
    MessageRow,
    NamedMessage,
    QuarantineRow,
    RunRow,
    TrustedReport,
    VaultTotals,
)
from muniment.archive.catalog.store import seen_by

__all__ = [
    "EMPTY",
    "AuditRow",
    "Catalog",
    "CatalogDamaged",
    "CatalogMention",
    "CatalogOutdated",
    "EnvelopeRow",
    "FolderPage",
    "IndexChange",
    "KnownKey",
    "MessageRow",
    "NamedMessage",
    "QuarantineRow",
    "RunRow",
    "TrustedReport",
    "VaultTotals",
    "seen_by",
]

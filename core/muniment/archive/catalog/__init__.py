"""The catalog: a projection of the ledger, for lists and look-ups.

`base` is the contract, `sqlite` the implementation. Who asks a catalog imports the contract alone.
"""

from muniment.archive.catalog.base import (
    EMPTY,
    Catalog,
    CatalogReader,
    CatalogWriter,
    DirectoryReader,
    MessageReader,
)
from muniment.archive.catalog.history import RunHistory
from muniment.archive.catalog.model import (
    ArrivalCount,
    AuditRow,
    CatalogDamaged,
    CatalogMention,
    CatalogOutdated,
    CopyOwner,
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

__all__ = [
    "EMPTY",
    "ArrivalCount",
    "AuditRow",
    "Catalog",
    "CatalogDamaged",
    "CatalogMention",
    "CatalogOutdated",
    "CatalogReader",
    "CatalogWriter",
    "CopyOwner",
    "DirectoryReader",
    "EnvelopeRow",
    "FolderPage",
    "IndexChange",
    "KnownKey",
    "MessageReader",
    "MessageRow",
    "NamedMessage",
    "QuarantineRow",
    "RunHistory",
    "RunRow",
    "TrustedReport",
    "VaultTotals",
]

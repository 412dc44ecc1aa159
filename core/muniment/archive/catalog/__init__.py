"""The catalog: a projection of the ledger into SQLite, for lists and look-ups."""

from muniment.archive.catalog.catalog import EMPTY, Catalog
from muniment.archive.catalog.model import (
    AuditRow,
    CatalogDamaged,
    CatalogOutdated,
    Change,
    EnvelopeRow,
    Known,
    Mention,
    MessageRow,
    Named,
    Page,
    QuarantineRow,
    RunRow,
    Totals,
    Voucher,
)
from muniment.archive.catalog.store import seen_by

__all__ = [
    "EMPTY",
    "AuditRow",
    "Catalog",
    "CatalogDamaged",
    "CatalogOutdated",
    "Change",
    "EnvelopeRow",
    "Known",
    "Mention",
    "MessageRow",
    "Named",
    "Page",
    "QuarantineRow",
    "RunRow",
    "Totals",
    "Voucher",
    "seen_by",
]

"""What redaction records keep of copies that have also brought mail which stays."""

from __future__ import annotations

from muniment.archive.facts import KeptCopy
from muniment.archive.ledger.erased.named import committed_redactions
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.segment_store import SegmentStore


def kept_copies(
    segments: SegmentStore, since: LedgerHead | None = None
) -> dict[tuple[bytes, bool], KeptCopy]:
    """Return what is kept of erased copies, by the hash of a copy and whether it was unwrapped as a report.

    Args:
        segments: The ledger's segments.
        since: The committed state after which to read; None reads the whole ledger.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
    """
    every = (copy for one in committed_redactions(segments, since) for copy in one.redaction.kept)
    return {(copy.sha, copy.report): copy for copy in every}

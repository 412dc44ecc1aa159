"""Requests about signed checkpoints: the last one, its key, publishing, and the comparison with a file."""

from __future__ import annotations

from muniment.api.base import Request, WireWord


class GetCheckpoint(Request, frozen=True):
    """Ask for the last signed checkpoint, and for the keys of this archive.

    Role: auditor.
    Reply: SignedCheckpoint.

    Raises:
        LedgerDamaged: The ledger does not continue the checkpoint of `since`, or can't prove it.
        UsageError: There is no checkpoint with that many records.
    """

    since: int | None = None
    """The size that a witness knows: the reply then has the request for it; 0 for a new witness."""


class PublishCheckpoint(Request, frozen=True):
    """Sign a checkpoint now, ask the witnesses, and publish it wherever vault.toml says.

    Role: administrator.
    Stream: Step for each place, which is not ok where that failed; then Done.

    Raises:
        LedgerDamaged: The ledger does not continue what was signed before; nothing was signed.
        VaultError: There is no key, or a file can't be written.
        UsageError: The ledger is empty.
    """


class VerifyCheckpoint(Request, frozen=True):
    """Compare a note with the ledger, and check its signatures.

    Role: auditor.
    Reply: CheckpointVerdict.

    Raises:
        UsageError: The text is no note.
    """

    note: str
    """The whole text of the note."""
    stamp: bytes = b""
    """A time stamp of the note's text (RFC 3161); else the one that the vault has is checked."""
    keys: tuple[str, ...] = ()
    """Public keys to trust, of the archive or of witnesses; else those that the vault and vault.toml have."""


class NewCheckpointKey(Request, frozen=True):
    """Begin a new key, with another origin: the old one is lost, or the ledger's loss was accepted.

    Role: administrator.
    Reply: SignedCheckpoint, with the new keys and no note.

    Raises:
        UsageError: There is no reason, or no key yet.
        VaultError: A file can't be written.
    """

    reason: str
    """Why; it is recorded in the ledger."""


class SignedCheckpoint(WireWord, frozen=True):
    """The last signed checkpoint of an archive."""

    origin: str
    """The permanent name of the archive; "" before its first key."""
    keys: tuple[str, ...]
    """Its public keys, which strangers pin."""
    key_file: str
    """The file of the key that signs."""
    signs: bool
    """Whether the service signs: [checkpoints] sign in vault.toml."""
    note: str = ""
    """The note, with all signatures; "" before the first."""
    size: int = 0
    root: str = ""
    """In hex."""
    written: int = 0
    """When the note was written last, seconds since 1970 UTC."""
    cosigners: tuple[str, ...] = ()
    """Names of the witnesses whose signatures hold."""
    problems: tuple[str, ...] = ()
    """Why checkpoints are not signed, or do not reach a place, a sentence each."""
    alarms: tuple[str, ...] = ()
    """What shows that the ledger was cut, set back or rewritten, a sentence each."""
    request: str = ""
    """For a witness that knows `since`: what `muniment witness add` takes."""


class NoteSigner(WireWord, frozen=True):
    """A known key that has signed a note. Part of CheckpointVerdict."""

    name: str
    kind: str
    """"archive" or "witness"."""
    time: int | None
    """When, as the signer states it, seconds since 1970 UTC; None if its kind states none."""


class CheckpointVerdict(WireWord, frozen=True):
    """The result of comparing a note with the ledger."""

    ok: bool
    """Whether a key of the archive has signed it, and the ledger still has all of it, unchanged."""
    state: str
    """"unchanged", "cut", "rewritten", "unreadable", or "forged" if no key of the archive has signed it."""
    text: str
    """The result as a sentence."""
    size: int
    root: str
    signers: tuple[NoteSigner, ...] = ()
    stamped: int | None = None
    """When a time-stamp authority has seen the note's text, seconds since 1970 UTC; None without a stamp."""
    stamped_by: str = ""
    """The name of that authority."""
    renewed: int | None = None
    """When the stamp was renewed last."""
    stamp_problem: str = ""
    """Why the stamp proves nothing, as a sentence; then `ok` is false."""

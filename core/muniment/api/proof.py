"""Requests about the proof of a vault: its present checkpoint, past verifications and backups, damage."""

from __future__ import annotations

from muniment.api.base import Request, WireWord


class GetProof(Request, frozen=True):
    """Ask for the present checkpoint, for what was verified and backed up, and for known damage.

    Role: auditor.
    Reply: Proof.
    """


class Prove(Request, frozen=True):
    """Write the proof of a message: a zip that a stranger can check with a stand-alone script.

    It holds the message, each copy that brought it, who read it, and the proofs of these records in `at`,
    else in the newest signed checkpoint that has them, else in the present state of the ledger.

    Role: auditor. It has Bcc recipients and who read the message, so plain users get none.
    Stream: Step for each stage, then Done. If the caller is not the service's own user, the file comes as
    ExportFile and Chunk replies, as for Export. The event is recorded before.

    Raises:
        LedgerDamaged: a record can't be read back, or the ledger can't prove it.
        NotFound: no message, or more than one, has this id.
        ReasonNeeded: see `api.reading`.
        UsageError: `path` exists already, or can't be written; or `at` is no checkpoint, or older than the
            message.
        VaultError: the message is too large for one proof, or the disk has too little space.
    """

    id: str
    """As in Show."""
    path: str
    """A file that does not exist yet."""
    reason: str = ""
    """As in ListMessages."""
    at: str = ""
    """The checkpoint `SIZE:ROOT` in which to prove, such as one that the reader of the proof has noted.
    Copies and events after it are left out."""


class ForgetBackup(Request, frozen=True):
    """Forget the last backup to a folder that is not used any more. The folder itself is not touched.

    Role: administrator.
    Reply: Done.

    Raises:
        NotFound: No backup to this folder is remembered.
        VaultError: The vault's folder can't be written, so the backup is still remembered.
    """

    path: str
    """The folder, as in Backup."""


class WatchWork(Request, frozen=True):
    """Watch a verification, backup or rebuild that goes on in the service.

    Role: auditor.
    Stream: as for the request that began it: the stages so far, and all that follows. Closing the stream
    stops nothing.

    Raises:
        NotFound: It has ended.
    """

    number: int
    """As in BackgroundWork."""


class StopWork(Request, frozen=True):
    """Stop a verification, backup or rebuild that goes on in the service.

    Role: auditor, for one's own; administrator.
    Reply: Done, at once. The work stops within a second or two.

    Raises:
        NotFound: It has ended.
        AccessRefused: An auditor may not stop the work of another.
    """

    number: int
    """As in BackgroundWork."""


class BackgroundWork(WireWord, frozen=True):
    """A verification, backup or rebuild that goes on in the service. Part of Proof."""

    number: int
    """Its number, while the service runs."""
    kind: str
    """"verification", "deep verification", "comparison", "backup" or "rebuild"."""
    who: str
    """Login name of the caller."""
    begun: int
    """When it was asked for, seconds since 1970 UTC."""
    waits: bool = False
    """Whether it waits until another one has ended."""


class PastVerification(WireWord, frozen=True):
    """A verification that has ended. Part of Proof."""

    time: int
    """When it ended, seconds since 1970 UTC."""
    deep: bool
    """Whether every content was decoded and compared with its hash."""
    ok: bool
    """Whether there were no problems. A checkpoint that did not hold is one if this vault is known to have
    had it; otherwise it may be mistyped, and is one of `doubts`."""
    problems: tuple[str, ...]
    """A sentence for each problem, at most 100, and for each such checkpoint, at most 100."""
    checkpoint: str
    """`SIZE:ROOT` of the state that was verified."""
    seconds: float
    """How long it took."""
    who: str = ""
    """Login name of the caller."""
    messages: int = 0
    """Messages that were verified."""
    doubts: tuple[str, ...] = ()
    """A sentence for each checkpoint that did not hold and that nothing in the vault knows, at most 100."""


class PastBackup(WireWord, frozen=True):
    """The last backup to a folder. Part of Proof."""

    time: int
    """When it ended, seconds since 1970 UTC."""
    path: str
    """The folder, as in Backup."""
    ok: bool
    """Whether the backup is complete."""
    checkpoint: str
    """`SIZE:ROOT` of the state that the backup holds; "" if it failed."""
    seconds: float
    """How long it took."""
    who: str = ""
    """Login name of the caller."""
    error: str = ""
    """Why it failed, as a sentence."""
    whole: int = 0
    """When the last complete backup to this folder ended, seconds since 1970 UTC; 0 for none."""


class Proof(WireWord, frozen=True):
    """What proves the archive, and what is known about it."""

    checkpoint: str
    """The present checkpoint as `SIZE:ROOT`, to be kept elsewhere; "" for an empty ledger."""
    tree_size: int
    """Records of the ledger."""
    root: str
    """Root of the Merkle tree over them, in hex."""
    written: int
    """When the last record was written, seconds since 1970 UTC; 0 for an empty ledger."""
    verified: PastVerification | None = None
    """The last verification that came to its end, deep or not; None if there was none."""
    deep: PastVerification | None = None
    """The last deep one."""
    backups: tuple[PastBackup, ...] = ()
    """The last backup to each folder, the newest first."""
    damage: tuple[str, ...] = ()
    """A sentence for each damage that is known without a verification."""
    doing: str = ""
    """The verification or backup that is under way, such as "a deep verification by ines"; "" for none."""
    since: int = 0
    """When it began, seconds since 1970 UTC."""
    works: tuple[BackgroundWork, ...] = ()
    """What goes on in the service, or waits there, the oldest first."""

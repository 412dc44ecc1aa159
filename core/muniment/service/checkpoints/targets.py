"""Where checkpoints are published: a folder, a git repository, mail, and the services of notifications.

A folder gets SIZE.note, and OLD-SIZE.request: the same with the proof that it continues the checkpoint
before, which a witness takes (`muniment witness add`). A folder that knows more than the ledger, or another
history, raises an alarm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from muniment.archive.ledger.ledger_tree import ConsistencyProof
from muniment.config.model import NotifyMail, NotifySection
from muniment.config.program import TooMuchOutput, TooSlow, run_program
from muniment.errors import MunimentError, VaultError
from muniment.evidence.checkpoint_body import CheckpointBody, NoteInvalid, read_body
from muniment.evidence.note_keys import VerifierKey
from muniment.evidence.signed_note import SignedNote, parse_note, verified
from muniment.evidence.witness_request import WitnessRequest
from muniment.notify.model import NotifyEvent
from muniment.notify.telling import ArchiveOrigin, NotifyFailed
from muniment.notify.ways import NotifyWay, ways
from muniment.system.atomic_files import write_file
from muniment.system.paths import readable

Prove = Callable[[int], ConsistencyProof]
"""Gives the proof that the checkpoint has grown from its first leaves."""

LATEST = "latest.note"
PUBLIC = 0o644
"""The mode of published files: others are meant to read them."""
GIT_SECONDS = 120.0
MOST_OUTPUT = 1024 * 1024


class SetBack(MunimentError):
    """Somebody outside knows a history of the ledger that the ledger does not have."""


class Publication(NamedTuple):
    """What is published."""

    note: SignedNote
    keys: Sequence[VerifierKey]
    """The public keys of the vault's checkpoints."""
    prove: Prove
    stamp: bytes | None = None
    """The time stamp of the note's text, if there is one."""

    @property
    def body(self) -> CheckpointBody:
        """The text of the note."""
        return read_body(self.note.text)


class Target(Protocol):
    """A place where checkpoints are published."""

    @property
    def name(self) -> str:
        """How messages name it."""

    def publish(self, what: Publication) -> None:
        """Publish a checkpoint. The same one may come again, with more signatures.

        Raises:
            SetBack: The place knows another history of the ledger.
            MunimentError: It can't be published; the message says why.
        """


class NoteFolderTarget:
    """A folder outside the vault."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        return f"the folder {readable(str(self.folder))}"

    def publish(self, what: Publication) -> None:
        try:
            self._write(what)
        except OSError as error:
            raise VaultError(
                f"{self.name} can't be written ({error.strerror}): correct checkpoints.folder or "
                "checkpoints.git in vault.toml, or the folder's permissions"
            ) from None

    def _write(self, what: Publication) -> None:
        body = what.body
        if not self.folder.is_dir():
            raise FileNotFoundError(2, "there is no such folder")
        before = self._before(what)
        old = before.size if before is not None else 0
        path = continued(self.name, before, what).path if before is not None and old else ()
        _put(self.folder / f"{old}-{body.size}.request", str(WitnessRequest(old, path, what.note)))
        if what.stamp is not None:
            _put(self.folder / f"{body.size}.tsr", what.stamp)
        _put(self.folder / f"{body.size}.note", str(what.note))
        _put(self.folder / LATEST, str(what.note))

    def _before(self, what: Publication) -> CheckpointBody | None:
        """The last checkpoint that the folder has of a smaller size.

        Raises:
            SetBack: The folder has a larger one, or another one of this size, signed by this vault.
        """
        body = what.body
        for path in sorted(self.folder.glob("*.note"), key=_size_of, reverse=True):
            known = _signed_body(path, what.keys) if _size_of(path) >= 0 else None
            if known is None:
                continue
            if known.size > body.size:
                raise SetBack(set_back(self.name, known.size, body.size))
            if known.size < body.size:
                return known
            continued(self.name, known, what)
        return None


def _size_of(path: Path) -> int:
    """The size in the name of a note; -1 for another file."""
    return int(path.stem) if path.stem.isascii() and path.stem.isdecimal() and len(path.stem) < 20 else -1


def _signed_body(path: Path, keys: Sequence[VerifierKey]) -> CheckpointBody | None:
    """The text of a note that this vault has signed; None of any other file."""
    try:
        note = parse_note(path.read_bytes())
        verified(note, keys)
        return read_body(note.text)
    except NoteInvalid:
        return None


def continued(name: str, before: CheckpointBody, what: Publication) -> ConsistencyProof:
    """The proof that a checkpoint continues an earlier one.

    Raises:
        SetBack: It does not.
    """
    proof = what.prove(before.size)
    if proof.old_root != before.root:
        raise SetBack(
            f"{name} has a checkpoint of {before.size:,} records, and the ledger's first {before.size:,} "
            "records are others: it was rewritten, or set back and grown again"
        )
    return proof


def set_back(name: str, known: int, held: int) -> str:
    """The sentence for a place that knows more records than the ledger has."""
    return (
        f"{name} has a checkpoint of {known:,} records, and the ledger has {held:,}: it was cut or set back"
    )


def _put(path: Path, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    with suppress(OSError):
        if path.read_bytes() == data:
            return
    write_file(path, data, durable=True, mode=PUBLIC)


class GitTarget(NoteFolderTarget):
    """A work tree of git. Its hooks are not run, and nothing asks for a password."""

    @property
    def name(self) -> str:
        return f"the git work tree {readable(str(self.folder))}"

    def publish(self, what: Publication) -> None:
        super().publish(what)
        size = what.body.size
        names = [
            LATEST,
            f"{size}.note",
            f"{size}.tsr",
            *(one.name for one in self.folder.glob(f"*-{size}.request")),
        ]
        self._git("add", "--", *(name for name in names if (self.folder / name).exists()))
        if self._ask("diff", "--cached", "--quiet")[0] != 0:
            self._git("commit", "--quiet", "--message", f"Checkpoint of {what.body.size} records")
        if self._ask("remote")[1].strip():
            self._git("push", "--quiet")

    def _git(self, *words: str) -> None:
        code, _ = self._ask(*words)
        if code:
            raise VaultError(
                f"{self.name}: `git {words[0]}` failed (exit code {code}): try it there by hand, as the "
                "service's user"
            )

    def _ask(self, *words: str) -> tuple[int, bytes]:
        options = ("user.name=Muniment", "user.email=muniment@localhost", "commit.gpgSign=false")
        command = [
            "env",
            "GIT_TERMINAL_PROMPT=0",
            "GIT_ASKPASS=true",
            "git",
            "-c",
            "core.hooksPath=/dev/null",
        ]
        for option in options:
            command += ["-c", option]
        try:
            return run_program([*command, *words], self.folder, seconds=GIT_SECONDS, most=MOST_OUTPUT)
        except (OSError, ValueError, TooSlow, TooMuchOutput) as error:
            raise VaultError(
                f"{self.name}: `git {words[0]}` can't be run, or takes too long ({type(error).__name__})"
            ) from None


class NoticeTarget:
    """Mail, or the services and the program of notifications. It gets one checkpoint a day."""

    def __init__(self, name: str, found: Sequence[NotifyWay], origin: Callable[[], ArchiveOrigin]) -> None:
        self.name = name
        self._ways = found
        self._origin = origin

    def publish(self, what: Publication) -> None:
        body = what.body
        event = NotifyEvent(
            kind="checkpoint",
            state="note",
            key="checkpoint",
            title=f"Checkpoint of {body.size:,} records",
            text="Keep this message. The lines below are signed, and prove which records the archive has "
            "now: `muniment checkpoint verify FILE` compares them with the archive at any later time.\n\n"
            f"{what.note}",
            time=int(time.time()),
        )
        failed = []
        for way in self._ways:
            try:
                way.send(event, self._origin())
            except MunimentError as error:
                failed.append(str(error))
        if failed:
            raise NotifyFailed("; ".join(failed))


def mail_target(
    mail: NotifyMail, to: Sequence[str], folder: Path, origin: Callable[[], ArchiveOrigin]
) -> NoticeTarget:
    """Mail to addresses, through the relay of notifications."""
    section = NotifySection(mail=msgspec.structs.replace(mail, to=tuple(to)))
    return NoticeTarget("mail", ways(section, folder), origin)


def notify_target(notify: NotifySection, folder: Path, origin: Callable[[], ArchiveOrigin]) -> NoticeTarget:
    """The URLs and the program of notifications."""
    section = msgspec.structs.replace(notify, mail=NotifyMail())
    return NoticeTarget("the services of notifications", ways(section, folder), origin)

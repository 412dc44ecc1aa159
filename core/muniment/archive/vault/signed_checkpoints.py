"""The vault's signed checkpoints: a note for each size, as a file in its folder `signed`.

They are about the ledger and no part of it: a copy elsewhere is what makes them worth something. A note
gets the lines of witnesses later, so a file may be replaced by the same note with more signatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from muniment.evidence.checkpoint_body import read_body
from muniment.evidence.signed_note import SignedNote, parse_note
from muniment.system.atomic_files import copy_file, is_temporary, write_file

FOLDER = "signed"
NOTE, STAMP = ".note", ".tsr"
DAY = 86_400
KEPT = 30 * DAY
"""Seconds for which every note stays; of earlier days only the last one does."""


class SignedCheckpoints:
    """The notes in the folder `signed` of a vault. For one writer; others may read."""

    def __init__(self, vault: Path) -> None:
        """`vault` is the vault's folder. The folder `signed` is made with the first note."""
        self.folder = vault / FOLDER

    def sizes(self) -> list[int]:
        """Return the sizes of the trees of all notes, in ascending order."""
        return sorted(self._sizes())

    def _sizes(self) -> Iterator[int]:
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                stem = path.name.removesuffix(NOTE)
                if stem != path.name and stem.isascii() and stem.isdecimal():
                    yield int(stem)

    def load(self, size: int) -> SignedNote:
        """Return the note of a tree's size. Its signatures are not checked.

        Raises:
            OSError: There is no such file, or it can't be read.
            NoteInvalid: The file is damaged.
        """
        return parse_note(self.path(size).read_bytes())

    def keep(self, note: SignedNote) -> Path:
        """Write a note to its file, durably, in place of an earlier one of the same size.

        Raises:
            OSError: It can't be written.
            NoteInvalid: The note is no checkpoint.
        """
        path = self.path(read_body(note.text).size)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        write_file(path, str(note).encode(), durable=True)
        return path

    def newest(self) -> SignedNote | None:
        """Return the note of the largest tree; None if there is none. Its signatures are not checked.

        Raises:
            OSError, NoteInvalid: As `load`.
        """
        sizes = self.sizes()
        return self.load(sizes[-1]) if sizes else None

    def thin(self, now: float) -> int:
        """Remove old notes but the last of each day, and those with a time stamp; returns how many.

        Args:
            now: Seconds since 1970 UTC. Notes of the last `KEPT` seconds stay.
        """
        sizes = self.sizes()
        times = {size: self.path(size).stat().st_mtime for size in sizes}
        last = {int(times[size] // DAY): size for size in sizes}
        gone = [
            size
            for size in sizes[:-1]
            if times[size] < now - KEPT
            and last[int(times[size] // DAY)] != size
            and not self.path(size).with_suffix(STAMP).exists()
        ]
        for size in gone:
            self.path(size).unlink(missing_ok=True)
        return len(gone)

    def copy_to(self, vault: Path, most: int) -> None:
        """Copy what a backup needs: the public keys, and all notes and stamps of at most `size` records.

        Args:
            vault: The backup's folder.
            most: Records that the backup holds. A later note would say that it was cut.

        Raises:
            OSError: A file can't be copied.
        """
        if not self.folder.is_dir():
            return
        target = vault / FOLDER
        for path in sorted(self.folder.rglob("*")):
            inside = path.relative_to(self.folder)
            known = len(inside.parts) == 1 and inside.stem.isascii() and inside.stem.isdecimal()
            if path.is_file() and not is_temporary(path.name) and not (known and int(inside.stem) > most):
                (target / inside.parent).mkdir(mode=0o700, parents=True, exist_ok=True)
                copy_file(path, target / inside, durable=False)

    def put_aside(self) -> Path:
        """Move all files of sizes to a folder inside, since notes of another key follow; returns it.

        Raises:
            OSError: They can't be moved.
        """
        number = 1
        while (aside := self.folder / f"former-{number}").exists():
            number += 1
        aside.mkdir(mode=0o700)
        for path in [path for path in self.folder.iterdir() if path.stem.isdecimal()]:
            path.rename(aside / path.name)
        return aside

    def stamp(self, size: int) -> bytes | None:
        """Return the time stamp of a note's text; None if there is none. It is not checked.

        Raises:
            OSError: It can't be read.
        """
        try:
            return self.path(size).with_suffix(STAMP).read_bytes()
        except FileNotFoundError:
            return None

    def path(self, size: int) -> Path:
        """Return the file of a tree's size, which need not be there."""
        return self.folder / f"{size}{NOTE}"

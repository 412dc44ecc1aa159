"""Erases messages of a vault, and looks for what is left of them in every file."""

from __future__ import annotations

import base64
import email
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from muniment.archive.erasure.erase import Erasing, ErasureResult, Protected
from muniment.archive.erasure.plan import ErasureOrder
from muniment.archive.ledger.codec import DecodeError
from muniment.archive.ledger.model import Frame, RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.scan import scan
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import Erased, LedgerDamaged
from muniment.system.sanitise import clean
from support.vaults import TestVault

PAGE = 4096
SIZE = 12
"""Bytes of the pieces that are looked for."""
ORDER = ErasureOrder("Art. 17 GDPR", "ada", 1000, 1_790_000_000)
KEPT_KINDS = frozenset({RecordKind.DICTIONARY, RecordKind.COMMIT})
"""Kinds of records that are not looked at: a dictionary may have strings of mail, if one was trained."""


def nothing_is_protected(messages: object) -> dict[bytes, str]:
    return {}


def erase(vault: TestVault, ids: Iterable[str], protected: Protected = nothing_is_protected) -> ErasureResult:
    """Erase messages by their ids."""
    with closing(open_vault(vault.folder, write=True)) as opened:
        numbers = [opened.catalog.message_by_prefix(id_).sequence for id_ in ids]
        return erase_in(opened, numbers, protected)


def erase_in(
    vault: Vault, numbers: Sequence[int], protected: Protected = nothing_is_protected
) -> ErasureResult:
    """Erase messages by their numbers, in a vault that is open for writing."""
    erasing = Erasing(vault, ORDER, protected)
    for _ in erasing.erase(numbers):
        pass
    return erasing.result


def pieces(mails: Iterable[bytes]) -> set[bytes]:
    """Return all pieces of mails: of their bytes, and of what their parts decode to.

    A row of equal bytes, such as zeros, is no piece: it may be anywhere.
    """
    contents = (content for mail in mails for content in (mail, *_decoded(mail)))
    found = set[bytes]().union(*map(_windows, contents))
    return {piece for piece in found if len(set(piece)) > 2}


def _decoded(mail: bytes) -> Iterator[bytes]:
    for part in email.message_from_bytes(mail).walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield content
    for text in re.findall(rb"[A-Za-z0-9+/=\r\n]{60,}", mail):
        try:
            yield base64.b64decode(text)
        except ValueError:
            continue


def left_of(vault: Path, erased: Iterable[bytes], kept: Iterable[bytes]) -> dict[str, set[bytes]]:
    """Return the pieces that only the erased mails have and that a file or a record of the vault still has.

    Args:
        vault: The vault's folder. No process has it open.
        erased: The bytes of mails that were erased, and of their reports.
        kept: The bytes of mails that stay, and of their reports.
    """
    only = pieces(erased) - pieces(kept)
    assert len(only) > 20
    return left_in(vault, only)


def left_in(folder: Path, only: set[bytes]) -> dict[str, set[bytes]]:
    """Return which of some pieces a file or a record of a vault or a backup still has, by its name."""
    found = {
        str(path.relative_to(folder)): _among(path.read_bytes(), only)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    reader = LedgerReader(segments_of(folder), lambda sha: None)
    for frame in scan(segments_of(folder)):
        if frame.kind not in KEPT_KINDS:
            found[f"{frame.kind.name} {frame.sequence}"] = _among(_payload(reader, frame), only)
    reader.close()
    return {name: left for name, left in found.items() if left}


def _payload(reader: LedgerReader, frame: Frame) -> bytes:
    try:
        return reader.payload(frame)
    except (Erased, LedgerDamaged, DecodeError):
        return b""


def _windows(data: bytes) -> set[bytes]:
    return {data[start : start + SIZE] for start in range(len(data) - SIZE + 1)}


def _among(data: bytes, only: set[bytes]) -> set[bytes]:
    """The pieces in some data. A page of zeros, of which databases have many, is passed over."""
    found = set[bytes]()
    for page in range(0, len(data), PAGE):
        part = data[page : page + PAGE + SIZE - 1]
        if part.count(0) < len(part):
            found.update(piece for start in range(len(part)) if (piece := part[start : start + SIZE]) in only)
    return found


def words_in_index(vault: TestVault, words: Iterable[str]) -> dict[str, int]:
    """Return in how many documents each word is, by the vocabulary of the index, removed ones included."""
    with closing(open_vault(vault.folder, write=False)) as opened:
        index = opened.index()
        views = index.views()  # type: ignore[attr-defined]
        fields = ("body", "subject", "sender", "to", "filename", "attachment", "within", "spelled")
        return {
            clean(word): sum(view.searcher.doc_freq(field, word) for view in views for field in fields)
            for word in words
        }

"""Signed notes (C2SP signed-note): a text, an empty line, and a line for each signature.

```
example.com/muniment/4f2a09c1d2e3f405
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/muniment/4f2a09c1d2e3f405 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5...
— witness.example.org jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ...
```

A note comes from anywhere, so nothing of it counts before `verified` has found the signature of a key that is
known.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, replace

from muniment.evidence.checkpoint_body import NoteInvalid, is_key_name, read_base64
from muniment.evidence.note_keys import SigningKey, VerifierKey

LARGEST = 256 * 1024
"""Most bytes of a note."""
MOST_SIGNATURES = 64
"""Most signatures of a note; C2SP asks for 16 at least."""
_DASH = "— "


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line. Anyone can write one: it proves nothing before it is checked."""

    name: str
    id: bytes
    """Four bytes that, with the name, say which key signed."""
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text with its signatures, which may be wrong."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def with_signatures(self, more: Iterable[NoteSignature]) -> SignedNote:
        """The same note with further signatures; one of the same key replaces the earlier one."""
        new = {(one.name, one.id): one for one in more}
        kept = [one for one in self.signatures if (one.name, one.id) not in new]
        return replace(self, signatures=(*kept, *new.values()))


def signed(text: str, keys: Iterable[SigningKey], time: int | None = None) -> SignedNote:
    """Make a note of a text that is signed by each key, in this order.

    Raises:
        NoteInvalid: The text can't be that of a note, or a key can't sign it.
    """
    return parse_note(f"{text}\n{''.join(key.sign(text, time) for key in keys)}".encode())


def parse_note(data: bytes) -> SignedNote:
    """Parse a note, without checking its signatures.

    Raises:
        NoteInvalid: It is none, or too large.
    """
    if len(data) > LARGEST:
        raise NoteInvalid(f"this is no note: it has more than {LARGEST // 1024} KiB")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise NoteInvalid("this is no note: it is not UTF-8") from None
    if any(one < " " and one != "\n" for one in whole):
        raise NoteInvalid("this is no note: it has control characters")
    text, gap, lines = whole.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise NoteInvalid("this is no note: it is not a text, an empty line, and signatures")
    return SignedNote(f"{text}\n", read_signatures(lines))


def read_signatures(lines: str) -> tuple[NoteSignature, ...]:
    """Parse signature lines, such as a witness answers.

    Raises:
        NoteInvalid: A line is none, the last one has no line feed, or there are too many.
    """
    split = lines.split("\n")
    if split.pop() or not split:
        raise NoteInvalid("signature lines are expected, and the last one does not end")
    if len(split) > MOST_SIGNATURES:
        raise NoteInvalid(f"this note has more than {MOST_SIGNATURES} signatures")
    return tuple(map(_signature, split))


def _signature(line: str) -> NoteSignature:
    name, _, data = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not is_key_name(name):
        raise NoteInvalid("a line is no signature: it does not begin with a dash and the name of a key")
    raw = read_base64(data)
    if len(raw) < 5:
        raise NoteInvalid("a line is no signature: it is too short")
    return NoteSignature(name, raw[:4], raw[4:])


def verified(note: SignedNote, keys: Iterable[VerifierKey]) -> dict[VerifierKey, int | None]:
    """Check the signatures of the keys that are known. Those of other keys are ignored, as C2SP asks.

    Keys that this machine's library can't use count as unknown (`VerifierKey.usable`).

    Returns:
        The keys that have signed, and the time that each states, in seconds since 1970 UTC, or None.

    Raises:
        NoteInvalid: None of the keys has signed it, or the signature of one is wrong.
    """
    known = {(key.name, key.id): key for key in keys if key.usable}
    found: dict[VerifierKey, int | None] = {}
    for one in note.signatures:
        key = known.get((one.name, one.id))
        if key is not None:
            found[key] = key.check(note.text, one.signature)
    if not found:
        raise NoteInvalid("no known key has signed this note")
    return found

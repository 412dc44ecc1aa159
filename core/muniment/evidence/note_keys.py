"""Keys that sign notes, and keys that check them, in the forms of C2SP signed-note.

A key that checks is public and one line of text: NAME+ID+KEY. A key that signs is one line too, in the form
of Go's `note` package: PRIVATE+KEY+NAME+ID+KEY. Nothing shows it but `SigningKey.secret_line`.
"""

from __future__ import annotations

import base64
import hashlib
import time as clock
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from muniment.evidence.checkpoint_body import (
    LONGEST_ORIGIN,
    NoteInvalid,
    is_key_name,
    is_plain_origin,
    read_base64,
    read_body,
)

SIGNS = "PRIVATE+KEY+"
"""The first characters of a line that holds a key that signs."""
_LONGEST = 8192
"""Most characters of a line with a key."""
_SUBTREE = b"subtree/v1\n\0"


class KeyKind(IntEnum):
    """What a signature says and how it is made. The numbers are those of C2SP signed-note."""

    ED25519 = 0x01
    """The text, by Ed25519."""
    COSIGNATURE = 0x04
    """Time and text of a checkpoint, by Ed25519: a witness has seen it."""
    ML_DSA_44 = 0x06
    """Time and the first three lines of a checkpoint, by ML-DSA-44, which no quantum computer breaks."""


_PUBLIC = {KeyKind.ED25519: 32, KeyKind.COSIGNATURE: 32, KeyKind.ML_DSA_44: 1312}
"""Bytes of each kind's public key."""
_SIGNATURE = {KeyKind.ED25519: 64, KeyKind.COSIGNATURE: 72, KeyKind.ML_DSA_44: 2428}
"""Bytes of each kind's signature, with its time."""
_SEED = 32


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key, and the name under which it signs."""

    name: str
    kind: KeyKind
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that a signature begins with."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def usable(self) -> bool:
        """Whether this machine's library can check such signatures."""
        return self.kind is not KeyKind.ML_DSA_44 or has_ml_dsa()

    def __str__(self) -> str:
        data = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{data}"

    def check(self, text: str, signature: bytes) -> int | None:
        """Check a signature of a note's text.

        Returns:
            The time that the signer states, in seconds since 1970 UTC; None if this kind states none.

        Raises:
            NoteInvalid: The signature is wrong.
        """
        wrong = NoteInvalid(f"the signature of {self.name} is wrong: this note was changed, or is a forgery")
        if len(signature) != _SIGNATURE[self.kind]:
            raise wrong
        stated = 0 if self.kind is KeyKind.ED25519 else int.from_bytes(signature[:8], "big")
        proof = signature if self.kind is KeyKind.ED25519 else signature[8:]
        try:
            message = _message(self.name, self.kind, text, stated)
            _public_key(self).verify(proof, message)
        except (InvalidSignature, ValueError):
            raise wrong from None
        return None if self.kind is KeyKind.ED25519 else stated


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the name under which it signs. Neither `repr` nor `str` shows it."""

    name: str
    kind: KeyKind
    _seed: bytes = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        """The public key that checks its signatures."""
        return VerifierKey(self.name, self.kind, self._private().public_key().public_bytes_raw())

    def sign(self, text: str, time: int | None = None) -> str:
        """Sign the text of a note.

        Args:
            text: The text; all kinds but ED25519 sign checkpoints alone.
            time: What the signer states as its time, in seconds since 1970 UTC; now if None.

        Returns:
            The signature line, with its line feed.

        Raises:
            NoteInvalid: The text is no checkpoint, and this kind signs nothing else.
        """
        stated = int(clock.time()) if time is None else time
        proof: bytes = self._private().sign(_message(self.name, self.kind, text, stated))
        if self.kind is not KeyKind.ED25519:
            proof = stated.to_bytes(8, "big") + proof
        return f"— {self.name} {base64.b64encode(self.verifier.id + proof).decode()}\n"

    def secret_line(self) -> str:
        """The key itself as a line of text without its line feed, for the file that keeps it."""
        data = base64.b64encode(bytes([self.kind]) + self._seed).decode()
        return f"{SIGNS}{self.name}+{self.verifier.id.hex()}+{data}"

    def _private(self) -> Any:
        if self.kind is not KeyKind.ML_DSA_44:
            return Ed25519PrivateKey.from_private_bytes(self._seed)
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        return MLDSA44PrivateKey.from_seed_bytes(self._seed)


@cache
def has_ml_dsa() -> bool:
    """Whether this machine's library can sign and check by ML-DSA-44."""
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        MLDSA44PrivateKey.from_seed_bytes(bytes(_SEED)).sign(b"")
    except (ImportError, UnsupportedAlgorithm):
        return False
    return True


def new_key(name: str, kind: KeyKind) -> SigningKey:
    """Make a key that signs under a name.

    Raises:
        NoteInvalid: The name can't be that of a key.
    """
    if not is_plain_origin(name):
        raise NoteInvalid("the name of a key must not be empty, and has neither white space nor a plus")
    if kind is not KeyKind.ML_DSA_44:
        return SigningKey(name, kind, Ed25519PrivateKey.generate().private_bytes_raw())
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    return SigningKey(name, kind, MLDSA44PrivateKey.generate().private_bytes_raw())


def read_verifier(text: str) -> VerifierKey:
    """Parse a public key of the form NAME+ID+KEY.

    Raises:
        NoteInvalid: It is none, or its kind is not known here.
    """
    name, kind, public, stated = _parts(text)
    if len(public) != _PUBLIC[kind]:
        raise NoteInvalid("this is no key: its length is not that of its kind")
    key = VerifierKey(name, kind, public)
    if key.id.hex() != stated:
        raise NoteInvalid("this is no key: its id does not match, so a part of it was mistyped")
    return key


def read_signing_key(text: str) -> SigningKey:
    """Parse a private key of the form PRIVATE+KEY+NAME+ID+KEY. No error shows any of it.

    Raises:
        NoteInvalid: It is none, or this machine's library can't sign with it.
    """
    if not text.startswith(SIGNS):
        raise NoteInvalid("this is no key that signs")
    name, kind, seed, stated = _parts(text.removeprefix(SIGNS))
    if len(seed) != _SEED:
        raise NoteInvalid("this is no key that signs: its length is not that of its kind")
    if kind is KeyKind.ML_DSA_44 and not has_ml_dsa():
        raise NoteInvalid("a key is of the kind ML-DSA-44, which needs the library cryptography 48 or newer")
    key = SigningKey(name, kind, seed)
    if key.verifier.id.hex() != stated:
        raise NoteInvalid("this is no key that signs: its id does not match, so the file is damaged")
    return key


def _parts(text: str) -> tuple[str, KeyKind, bytes, str]:
    """Name, kind, key and id of a line; raises NoteInvalid."""
    name, _, rest = text.partition("+")
    stated, _, data = rest.partition("+")
    if len(text) > _LONGEST or not is_key_name(name) or not data:
        raise NoteInvalid("this is no key of the form NAME+ID+KEY")
    raw = read_base64(data)
    try:
        return name, KeyKind(raw[0]), raw[1:], stated
    except ValueError:
        raise NoteInvalid("this key's kind is not known here: it must be 1, 4 or 6") from None


def _public_key(key: VerifierKey) -> Any:
    if key.kind is not KeyKind.ML_DSA_44:
        return Ed25519PublicKey.from_public_bytes(key.public)
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    return MLDSA44PublicKey.from_public_bytes(key.public)


def _message(name: str, kind: KeyKind, text: str, time: int) -> bytes:
    """What a signature of each kind signs (C2SP signed-note and tlog-cosignature)."""
    if kind is KeyKind.ED25519:
        return text.encode()
    body = read_body(text)
    if kind is KeyKind.COSIGNATURE:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    numbers = (0).to_bytes(8, "big") + body.size.to_bytes(8, "big")
    return b"".join(
        (_SUBTREE, _short(name), time.to_bytes(8, "big"), _short(body.origin), numbers, body.root)
    )


def _short(text: str) -> bytes:
    """A text behind its length in one byte."""
    data = text.encode()
    if len(data) > LONGEST_ORIGIN:
        raise NoteInvalid("ML-DSA-44 signs no name and no origin longer than 255 bytes")
    return bytes([len(data)]) + data

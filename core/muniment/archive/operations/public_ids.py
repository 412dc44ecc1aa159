"""Ids of messages for plain users, which say nothing of a message.

A message's SHA-256 says what its bytes are, those of its Bcc field among them: whoever knows the rest can try
names until the hash fits. So plain users know a message by a public id, made with a secret key of the vault
(see people.changes, `set-id-key`). It is as long as a SHA-256, and stays the same in a rebuild.

Its first 8 hex digits are the number of the message's record under a secret permutation, so any prefix of at
least 8 digits leads to one message without an index of ids. The rest is a keyed hash of the SHA-256.
"""

from __future__ import annotations

import hmac
import secrets

from muniment.archive.catalog import Catalog, MessageRow

KEY_BYTES = 32
DIGITS = 8
"""Hex digits that say which record it is, and that a prefix must have at least."""
ROUNDS = 8
"""Of a Feistel network over 32 bits; 4 make a permutation that nobody can tell from a random one."""
_HALF = 16
_MASK = (1 << _HALF) - 1


def new_key() -> bytes:
    """A key for the public ids of a vault."""
    return secrets.token_bytes(KEY_BYTES)


class PublicIds:
    """The public ids of a vault."""

    def __init__(self, key: bytes) -> None:
        """`key` is a secret of KEY_BYTES."""
        self._key = key

    def of(self, number: int, sha: bytes) -> str:
        """The public id, in hex, of the message with a SHA-256 in the record of that number."""
        left, right = (number >> _HALF) & _MASK, number & _MASK
        for step in range(ROUNDS):
            left, right = right, left ^ self._mixed(step, right)
        rest = hmac.digest(self._key, b"message" + sha, "sha256").hex()
        return f"{left << _HALF | right:0{DIGITS}x}{rest[DIGITS:]}"

    def number(self, prefix: str) -> int:
        """The number of the record that a prefix of a public id, of at least DIGITS digits, speaks of."""
        value = int(prefix[:DIGITS], 16)
        left, right = value >> _HALF, value & _MASK
        for step in reversed(range(ROUNDS)):
            left, right = right ^ self._mixed(step, left), left
        return left << _HALF | right

    def _mixed(self, step: int, half: int) -> int:
        digest = hmac.digest(self._key, b"number" + bytes((step,)) + half.to_bytes(2, "big"), "sha256")
        return int.from_bytes(digest[:2], "big")

    def find(self, catalog: Catalog, prefix: str) -> MessageRow | None:
        """The message whose public id begins with `prefix`, or that took its place; None if there is none.

        The time is the same whether there is one or not.
        """
        digits = prefix.strip().lower()
        number = self.number(digits)
        sha, row = catalog.numbered(number)
        return row if self.of(number, sha).startswith(digits) and row is not None else None

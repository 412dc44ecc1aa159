"""Places in a list, sealed: where a page ended and what the first page counted, for the service to read.

A place says the numbers of records, which grow with everybody's mail, and a total that a forged place could
choose. A sealed one is encrypted and signed, and good for the list and the user that it was made for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from muniment.errors import UsageError

NONCE = 12
PADDED = 80
"""Bytes that a place is filled up to, so that its length says nothing."""


class Cursors:
    """Seals the places of one list of one user."""

    def __init__(self, key: bytes, *about: str) -> None:
        """`key` is the vault's secret for public ids; `about` says which list of whom it is."""
        self._cipher = AESGCM(hmac.digest(key, b"cursors", "sha256"))
        self._about = hashlib.sha256("\0".join(about).encode("utf-8", "surrogatepass")).digest()

    def seal(self, place: str) -> str:
        """A place as the user gets it; "" stays ""."""
        if not place:
            return ""
        nonce = secrets.token_bytes(NONCE)
        sealed = self._cipher.encrypt(nonce, place.encode().ljust(PADDED), self._about)
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, sealed: str) -> str:
        """The place that `seal` sealed.

        Raises:
            UsageError: it was not sealed for this list.
        """
        if not sealed:
            return ""
        try:
            data = base64.urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
            return self._cipher.decrypt(data[:NONCE], data[NONCE:], self._about).decode().rstrip()
        except (ValueError, binascii.Error, InvalidTag):
            raise UsageError(
                "this is no place in this list: pass what the page before said, or begin at the first page"
            ) from None

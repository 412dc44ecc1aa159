"""Encrypts the positions in lists that plain users get: where a page ended, and what the first page counted.

A position contains record numbers, which depend on everybody's mail, and a total that a forged position could
choose. So it is encrypted and authenticated (AES-GCM), and valid only for one list of one user.
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
"""Bytes to which a position is padded, so that its length reveals nothing."""


class SealedCursors:
    """Encrypts and decrypts the positions in one list of one user."""

    def __init__(self, key: bytes, *about: str) -> None:
        """`key` is the vault's secret key of public ids. `about` identifies the list and the user."""
        self._cipher = AESGCM(hmac.digest(key, b"cursors", "sha256"))
        self._about = hashlib.sha256("\0".join(about).encode("utf-8", "surrogatepass")).digest()

    def seal(self, position: str) -> str:
        """Encrypt a position for the user; "" stays ""."""
        if not position:
            return ""
        nonce = secrets.token_bytes(NONCE)
        sealed = self._cipher.encrypt(nonce, position.encode().ljust(PADDED), self._about)
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, sealed: str) -> str:
        """Decrypt a position from `seal`; "" stays "".

        Raises:
            UsageError: it is not from this list.
        """
        if not sealed:
            return ""
        try:
            data = base64.urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
            return self._cipher.decrypt(data[:NONCE], data[NONCE:], self._about).decode().rstrip()
        except (ValueError, binascii.Error, InvalidTag):
            raise UsageError(
                "this is not a position in this list: use the one of the page before, or begin at the first "
                "page"
            ) from None

"""The gateway's certificate for STARTTLS. It is read again when its file changes."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from muniment.errors import ConfigError
from muniment.gateway.senders import client_context

log = logging.getLogger("muniment.gateway")


class GatewayCertificate:
    """A certificate chain with its private key, in PEM files."""

    def __init__(self, chain: Path, key: Path | None = None, client_authority: str | None = None) -> None:
        """Read the certificate.

        Args:
            chain: PEM file of the chain.
            key: PEM file of the private key; None if it is in `chain`.
            client_authority: PEM file of the authorities that sign clients' certificates; "" for those of the
                system; None if clients are asked for no certificate.

        Raises:
            ConfigError: the certificate can't be used.
        """
        self._client_authority = client_authority
        self._chain = chain
        self._key = key
        self._seen = self._state()
        self._context = self._load()

    def context(self) -> ssl.SSLContext:
        """The TLS context for a new connection. If a renewed certificate can't be used, the old one stays."""
        state = self._state()
        if state != self._seen:
            self._seen = state
            try:
                self._context = self._load()
                log.info("loaded the renewed certificate")
            except ConfigError as error:
                log.error("still using the old certificate: %s", error)
        return self._context

    def _state(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in (self._chain, self._key) if path]

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # The password of an encrypted key would be asked for at a terminal that no person uses.
            context.load_cert_chain(self._chain, self._key, password=lambda: b"")
        except ssl.SSLError:
            raise ConfigError(
                f"gateway: {self._chain} can't be used as a certificate; it must be a PEM file with the "
                "chain, and its private key must belong to it and not be encrypted"
            ) from None
        except OSError as error:
            raise ConfigError(
                f"gateway: the certificate {self._chain} or its key can't be read: {error.strerror}"
            ) from None
        if self._client_authority is not None:
            client_context(context, self._client_authority)
        return context


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino

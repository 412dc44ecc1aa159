"""Temporary certificates: one authority for a test session, and server certificates that it signs."""

from __future__ import annotations

import datetime
import functools
import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
EXPIRED = datetime.datetime(2020, 6, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class ServerCertificate:
    """PEM files of one server certificate."""

    certificate: Path
    """Chain and private key in one file, in the form of vault.toml's `certificate`."""
    chain: Path
    key: Path
    authority: Path
    """The authority that signed it."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hex."""
        der = ssl.PEM_cert_to_DER_cert(self.chain.read_text())
        return hashlib.sha256(der).hexdigest()


@functools.cache
def authority() -> trustme.CA:
    """The session's certificate authority."""
    return trustme.CA()


def server_certificate(
    folder: Path, *names: str, expired: bool = False, signed_by: trustme.CA | None = None
) -> ServerCertificate:
    """A certificate for `names` (localhost and 127.0.0.1 by default), written below `folder`."""
    signer = signed_by or authority()
    not_before, not_after = (LONG_AGO, EXPIRED) if expired else (None, None)
    leaf = signer.issue_cert(
        *(names or ("localhost", "127.0.0.1")), not_before=not_before, not_after=not_after
    )
    folder.mkdir(parents=True, exist_ok=True)
    made = ServerCertificate(
        folder / "server.pem", folder / "chain.pem", folder / "key.pem", folder / "authority.pem"
    )
    leaf.private_key_and_cert_chain_pem.write_to_path(str(made.certificate))
    leaf.cert_chain_pems[0].write_to_path(str(made.chain))
    leaf.private_key_pem.write_to_path(str(made.key))
    signer.cert_pem.write_to_path(str(made.authority))
    for path in (made.certificate, made.key):
        path.chmod(0o600)
    return made


def client_context() -> ssl.SSLContext:
    """A client's TLS context that trusts only the session's authority."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context

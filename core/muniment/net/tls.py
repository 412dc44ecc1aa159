"""TLS to a mail server: which certificates are trusted, and errors that explain why one is not."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from muniment.errors import CertificateRefused, SourceError
from muniment.net.events import LineSecured
from muniment.net.retry import TransientError
from muniment.net.server_settings import ServerSettings

# Codes X509_V_ERR_* of OpenSSL for which the error sentence names a remedy.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_ISSUER = {18, 19, 20, 21}
_WRONG_NAME = {62, 64}

_IGNORE_UNEXPECTED_EOF = 0x80
"""OpenSSL's SSL_OP_IGNORE_UNEXPECTED_EOF, for which Python has no name before 3.12."""


def make_context(server: ServerSettings) -> ssl.SSLContext:
    """A client context that checks certificates, unless a fingerprint is pinned.

    With a fingerprint the context checks nothing, and the caller must call `check_fingerprint`.

    Raises:
        SourceError: The file of authorities can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=server.ca_file or None)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"The file of certificate authorities {server.ca_file} can't be used: {_reason(error)}; "
            "set `ca_file` to a readable PEM file."
        ) from error
    if server.fingerprint:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # Some builds of Python, such as Debian 12's, take a cut connection for one that has ended in order.
    context.options &= ~_IGNORE_UNEXPECTED_EOF
    return context


def secure(sock: socket.socket, server: ServerSettings) -> ssl.SSLSocket:
    """Start TLS on a socket and check the certificate. The socket is closed if that fails.

    Returns:
        The encrypted socket.

    Raises:
        CertificateRefused: The certificate is not trusted, or the server does not speak TLS.
        TransientError: The connection broke.
    """
    try:
        with explained(server):
            secured = make_context(server).wrap_socket(sock, server_hostname=server.host)
            sock = secured
            check_fingerprint(secured, server)
    except BaseException:
        sock.close()
        raise
    return secured


def check_fingerprint(sock: ssl.SSLSocket | ssl.SSLObject, server: ServerSettings) -> None:
    """Report the certificate, and compare it with the pinned fingerprint, if there is one.

    Raises:
        CertificateRefused: It is not the pinned certificate.
    """
    certificate = sock.getpeercert(binary_form=True) or b""
    server.on_event(LineSecured(sock.version() or "TLS", certificate))
    if not server.fingerprint:
        return
    found = hashlib.sha256(certificate).hexdigest()
    wanted = server.fingerprint.replace(":", "").replace(" ", "").lower()
    if not hmac.compare_digest(found.encode(), wanted.encode()):
        raise CertificateRefused(
            f"The certificate of {server.address} has the SHA-256 fingerprint {found}, not the pinned one: "
            "if its owner confirms the new one, set `fingerprint` to it."
        )


@contextmanager
def explained(server: ServerSettings) -> Iterator[None]:
    """Turn an error of a TLS handshake into one that says what to do."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise CertificateRefused(_explain(server, error)) from error
    except ssl.SSLError as error:
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"):
            raise CertificateRefused(
                f"{server.address} does not speak TLS from the start: "
                'set `security` to "starttls", or use the port for TLS.'
            ) from error
        raise TransientError(f"The TLS handshake with {server.address} failed: {_reason(error)}.") from error
    except OSError as error:
        raise TransientError(f"{server.address} hung up in the TLS handshake: {_reason(error)}.") from error


def _explain(server: ServerSettings, error: ssl.SSLCertVerificationError) -> str:
    subject = f"The certificate of {server.address}"
    if error.verify_code == _EXPIRED:
        return f"{subject} has expired: have it renewed there, or pin it by its SHA-256 `fingerprint`."
    if error.verify_code == _NOT_YET_VALID:
        return f"{subject} is not valid yet: check the clocks of both machines."
    if error.verify_code in _WRONG_NAME:
        return (
            f"{subject} is for another host name: use the name it was issued for, or pin its `fingerprint`."
        )
    if error.verify_code in _UNKNOWN_ISSUER:
        return (
            f"{subject} was issued by an authority that is not trusted here: set `ca_file` to that "
            "authority's PEM file, or `fingerprint` to the certificate's SHA-256."
        )
    return f"{subject} can't be trusted ({error.verify_message}): have it replaced, or pin its `fingerprint`."


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)

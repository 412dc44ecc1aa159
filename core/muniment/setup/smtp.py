"""Asking an SMTP server, without sending anything, whether it would take mail for an address.

Whether an authority vouches for its certificate is not asked: senders of journal reports use TLS
where it is offered, and look no further, unless a connector tells them to.
"""

from __future__ import annotations

import ipaddress
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from muniment.setup.model import Finding, Verdict

if TYPE_CHECKING:
    from cryptography import x509

SECONDS = 10.0
"""How long a connection, and then each line of an answer, may take."""
PATIENCE = 60.0
"""How long all of it may take: a server that drips holds nobody up."""
EXPIRY_DAYS = 14
"""A certificate that ends sooner is worth a note."""
NO_SUCH_MAILBOX = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")
"""Enhanced status codes (RFC 3463) that say that the address is wrong."""


def delivers(
    host: str, port: int, address: str, name: str, *, own: bool = False, welcome: bool = True
) -> Iterator[Finding]:
    """Greet, try STARTTLS, name `address` as recipient, and leave.

    `name` is the host name that its certificate should be for. With `own` it is the gateway of this
    vault, so that whatever it does not do is wrong, unless this machine is not among those that it is to
    `welcome`; of another's server a refusal may be meant for this machine alone, and is a note.
    """
    place = f"{host} port {port}" if host == name else f"{name} ({host}) port {port}"
    bad = Verdict.WRONG if own and welcome else Verdict.NOTE
    server = smtplib.SMTP(timeout=SECONDS, local_hostname=socket.gethostname())
    hang_up = threading.Timer(PATIENCE, _hang_up, [server])
    hang_up.start()
    try:
        code, greeting = server.connect(host, port)
        if code != 220:
            yield Finding(f"{place} turned this machine away: {_told(code, greeting)}.", bad)
            return
        yield Finding(f"{place} answers as a mail server.")
        yield from _secured(server, place, name)
        yield from _recipient(server, place, address, bad)
    except (OSError, smtplib.SMTPException) as error:
        yield Finding(_unreachable(place, error, own), Verdict.WRONG if own else Verdict.NOTE)
    finally:
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
        hang_up.cancel()
        server.close()


def _hang_up(server: smtplib.SMTP) -> None:
    """End the dialogue from another thread: whoever waits for an answer gets none."""
    with suppress(OSError, AttributeError):
        socket.socket.shutdown(server.sock, socket.SHUT_RDWR)  # type: ignore[arg-type]


def admits(networks: Iterable[str], address: str) -> bool:
    """Whether an address is in one of the networks (CIDR)."""
    try:
        client = ipaddress.ip_address(address)
    except ValueError:  # a host name: this very machine's
        return True
    return any(client in ipaddress.ip_network(network) for network in networks)


def _secured(server: smtplib.SMTP, place: str, name: str) -> Iterator[Finding]:
    """EHLO, and STARTTLS (RFC 3207) where it is offered."""
    server.ehlo()
    if not server.has_extn("starttls"):
        yield Finding(
            f"{place} offers no STARTTLS, so that mail crosses the network in clear: give it a certificate.",
            Verdict.NOTE,
        )
        return
    yield _starttls(server, place, name)
    server.ehlo()


def _starttls(server: smtplib.SMTP, place: str, name: str) -> Finding:
    code, reply = server.docmd("STARTTLS")
    if code != 220:
        return Finding(f"{place} offers STARTTLS and then refuses it: {_told(code, reply)}.", Verdict.NOTE)
    # Nothing secret is sent, so the dialogue goes on whoever vouches for the certificate.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert server.sock is not None
    secured = context.wrap_socket(server.sock, server_hostname=name)
    der = secured.getpeercert(binary_form=True) or b""
    server.sock, server.file = secured, None
    server.ehlo_resp = server.helo_resp = None
    server.esmtp_features, server.does_esmtp = {}, False
    return _certificate(der, place, name)


def _certificate(der: bytes, place: str, name: str) -> Finding:
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    left = certificate.not_valid_after_utc.timestamp() - time.time()
    until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    if left < 0:
        return Finding(f"The certificate of {place} has expired on {until}: renew it.", Verdict.NOTE)
    if left < EXPIRY_DAYS * 86400:
        return Finding(f"The certificate of {place} ends on {until}: renew it soon.", Verdict.NOTE)
    if not _is_for(certificate, name):
        return Finding(
            f"The certificate of {place} is not for {name}: a sender that insists on that refuses it.",
            Verdict.NOTE,
        )
    return Finding(f"STARTTLS works; the certificate is good until {until}.")


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    """Whether a certificate names a host, as RFC 6125 6.4 compares names."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    hosts = [host.lower() for host in names.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return bool({name.lower(), f"*.{name.lower().partition('.')[2]}"} & set(hosts)) or name in addresses


def _recipient(server: smtplib.SMTP, place: str, address: str, bad: Verdict) -> Iterator[Finding]:
    """MAIL with the empty sender (RFC 5321 4.5.5), which nobody holds against anybody, and RCPT."""
    code, reply = server.mail("")
    if code != 250:
        yield Finding(f"{place} takes no mail from this machine: {_told(code, reply)}.", bad)
        return
    code, reply = server.rcpt(address)
    if code in (250, 251):
        yield Finding(f"{place} takes mail for {address}.")
        return
    told = _told(code, reply)
    if code == 550 and any(status in told for status in NO_SUCH_MAILBOX):
        yield Finding(
            f"{place} knows no mailbox {address} ({told}): correct the address, or have it made.",
            Verdict.WRONG,
        )
        return
    yield Finding(f"{place} did not say that it takes mail for {address}: {told}.", bad)


def _told(code: int, reply: bytes) -> str:
    text = re.sub(r"\s+", " ", reply.decode("utf-8", "replace")).strip()
    return f"{code} {text[:200]}".rstrip(" .")


def _unreachable(place: str, error: Exception, own: bool) -> str:
    why = "no answer" if isinstance(error, TimeoutError | socket.timeout) else _reason(error)
    if own:
        return f"Nothing answers on {place} ({why}): start the service, and see that the port is free."
    return (
        f"{place} could not be tried from here ({why}); many networks block port 25 outwards, "
        "and reports do not come from this machine."
    )


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        raw = error.smtp_error
        return _told(error.smtp_code, raw if isinstance(raw, bytes) else str(raw).encode())
    return str(getattr(error, "strerror", None) or error or type(error).__name__)

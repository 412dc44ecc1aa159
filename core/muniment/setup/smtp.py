"""Ask an SMTP server whether it accepts mail for an address, without sending a message.

The server's certificate need not be trusted: senders of journal reports use TLS if it is offered, and check
the certificate only if a connector requires it.
"""

from __future__ import annotations

import ipaddress
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from muniment.net.smtp import SmtpClient
from muniment.setup.model import CheckFinding, FindingVerdict
from muniment.system.sanitise import clean

if TYPE_CHECKING:
    from cryptography import x509

SECONDS = 10.0
"""Longest time for a connection, and then for each reply."""
PATIENCE = 60.0
"""Longest time for the whole dialogue, so that a server that sends byte by byte can't stall the check."""
GLANCE = 2.0
"""Longest time for the greeting of a program that is not ours."""
GREETING = 512
"""Bytes of a greeting that are read (RFC 5321 4.5.3.1.5)."""
EXPIRY_DAYS = 14
"""A certificate that expires within this many days gets a note."""
NO_SUCH_MAILBOX = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")
"""Enhanced status codes (RFC 3463) for a wrong address."""


def delivers(
    host: str,
    port: int,
    address: str,
    name: str,
    *,
    own: bool = False,
    admitted: bool = True,
    seconds: float = SECONDS,
    patience: float = PATIENCE,
) -> Iterator[CheckFinding]:
    """Connect, try STARTTLS, name a recipient, and quit before DATA.

    Args:
        host: host name or IP address to connect to.
        port: TCP port.
        address: the recipient.
        name: the host name that the server's certificate should name.
        own: whether it is this vault's own gateway. Then every failure is wrong. A refusal by another server
            may concern only this machine, so it is a note.
        admitted: whether the own gateway should accept mail from this machine. If not, a refusal is a note.
        seconds: longest time for a connection, and then for each reply.
        patience: longest time for the whole dialogue.

    Returns:
        A finding for each step, as the dialogue goes on.
    """
    place = f"{host} port {port}" if host == name else f"{name} ({host}) port {port}"
    bad = FindingVerdict.WRONG if own and admitted else FindingVerdict.NOTE
    server = SmtpClient(local_hostname=socket.gethostname(), seconds=seconds, whole=patience)
    try:
        code, greeting = server.connect(host, port)
        if code != 220:
            yield CheckFinding(f"{place} refused this machine: {_reply_text(code, greeting)}.", bad)
            return
        yield CheckFinding(f"{place} answers as a mail server.")
        yield from _secured(server, place, name)
        yield from _recipient(server, place, address, bad)
    except (OSError, smtplib.SMTPException) as error:
        yield CheckFinding(
            _unreachable(place, error, own), FindingVerdict.WRONG if own else FindingVerdict.NOTE
        )
    finally:
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
        server.close()


def admits(networks: Iterable[str], address: str) -> bool:
    """Whether an IP address is in one of the networks (CIDR). A host name counts as this machine."""
    try:
        client = ipaddress.ip_address(address)
    except ValueError:  # a host name, which is this machine's own
        return True
    return any(client in ipaddress.ip_network(network) for network in networks)


def greeting_of(host: str, port: int, seconds: float = GLANCE) -> str:
    """The first line that a program sends on a port, made harmless; "" if nothing answers or speaks."""
    try:
        with socket.create_connection((host, port), seconds) as connection:
            connection.settimeout(seconds)
            line = connection.recv(GREETING).partition(b"\n")[0]
    except OSError:
        return ""
    return clean(re.sub(r"\s+", " ", line.decode("utf-8", "replace")).strip())[:100]


def _secured(server: SmtpClient, place: str, name: str) -> Iterator[CheckFinding]:
    """Send EHLO, and STARTTLS (RFC 3207) if it is offered."""
    server.ehlo()
    if not server.has_extn("starttls"):
        yield CheckFinding(
            f"{place} offers no STARTTLS, so mail crosses the network unencrypted: give it a certificate.",
            FindingVerdict.NOTE,
        )
        return
    yield _starttls(server, place, name)
    server.ehlo()


def _starttls(server: SmtpClient, place: str, name: str) -> CheckFinding:
    code, reply = server.docmd("STARTTLS")
    if code != 220:
        text = _reply_text(code, reply)
        return CheckFinding(f"{place} offers STARTTLS and then refuses it: {text}.", FindingVerdict.NOTE)
    # Nothing secret is sent, so the dialogue goes on with any certificate.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert server.sock is not None
    secured = context.wrap_socket(server.sock, server_hostname=name)
    der = secured.getpeercert(binary_form=True) or b""
    server.sock, server.file = secured, None
    server.ehlo_resp = server.helo_resp = None
    server.esmtp_features, server.does_esmtp = {}, False
    return _certificate(der, place, name)


def _certificate(der: bytes, place: str, name: str) -> CheckFinding:
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    left = certificate.not_valid_after_utc.timestamp() - time.time()
    until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    if left < 0:
        return CheckFinding(f"The certificate of {place} expired on {until}: renew it.", FindingVerdict.NOTE)
    if left < EXPIRY_DAYS * 86400:
        return CheckFinding(
            f"The certificate of {place} expires on {until}: renew it soon.", FindingVerdict.NOTE
        )
    if not _is_for(certificate, name):
        return CheckFinding(
            f"The certificate of {place} is not for {name}: a sender that checks the name refuses it.",
            FindingVerdict.NOTE,
        )
    return CheckFinding(f"STARTTLS works; the certificate is valid until {until}.")


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    """Whether a certificate names a host (RFC 6125 6.4)."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    hosts = [host.lower() for host in names.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return bool({name.lower(), f"*.{name.lower().partition('.')[2]}"} & set(hosts)) or name in addresses


def _recipient(server: SmtpClient, place: str, address: str, bad: FindingVerdict) -> Iterator[CheckFinding]:
    """Send MAIL with the empty sender (RFC 5321 4.5.5), which no server refuses for its address, and RCPT."""
    code, reply = server.mail("")
    if code != 250:
        yield CheckFinding(f"{place} accepts no mail from this machine: {_reply_text(code, reply)}.", bad)
        return
    code, reply = server.rcpt(address)
    if code in (250, 251):
        yield CheckFinding(f"{place} accepts mail for {address}.")
        return
    text = _reply_text(code, reply)
    if code == 550 and any(status in text for status in NO_SUCH_MAILBOX):
        yield CheckFinding(
            f"{place} has no mailbox {address} ({text}): correct the address, or have the mailbox created.",
            FindingVerdict.WRONG,
        )
        return
    yield CheckFinding(f"{place} did not accept mail for {address}: {text}.", bad)


def _reply_text(code: int, reply: bytes) -> str:
    """Code and text of an SMTP reply, on one line."""
    text = re.sub(r"\s+", " ", reply.decode("utf-8", "replace")).strip()
    return f"{code} {text[:200]}".rstrip(" .")


def _unreachable(place: str, error: Exception, own: bool) -> str:
    why = "no answer" if isinstance(error, TimeoutError | socket.timeout) else _reason(error)
    if own:
        return f"Nothing answers at {place} ({why}): start the service, and make sure that the port is free."
    return (
        f"{place} could not be tested from here ({why}). Many networks block outgoing connections to port "
        "25, and reports do not come from this machine."
    )


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        raw = error.smtp_error
        return _reply_text(error.smtp_code, raw if isinstance(raw, bytes) else str(raw).encode())
    return str(getattr(error, "strerror", None) or error or type(error).__name__)

"""Time stamps of an authority (RFC 3161): they prove that some bytes existed at a time.

A stamp is the authority's whole answer in DER, as `openssl ts -verify` takes it. It is checked at its own
time, so it holds after the authority's certificate has ended. Whoever breaks that key later can date back, so
a stamp is worth little then, unless another stamp of it was made before.

A renewal is one stamp for many: it stamps a list of stamps with their SHA-256, as `sha256sum` writes it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muniment.errors import MunimentError
from muniment.system.sanitise import clean

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampResponse

LARGEST = 64 * 1024
"""Most bytes of a stamp."""
_LISTED = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9.-]+)")


class StampInvalid(MunimentError):
    """A time stamp is none, is of other bytes, or its authority is not trusted."""


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """What a stamp says, once it was checked. Times are seconds since 1970 UTC."""

    time: int
    authority: str
    """The name in the certificate of the authority."""
    ends: int
    """When that certificate ends."""


def stamp_request(data: bytes) -> tuple[bytes, int]:
    """Make the request for a stamp of some bytes; returns it in DER, and its nonce."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    builder = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    return request.as_bytes(), request.nonce or 0


def check_stamp(stamp: bytes, data: bytes, roots: bytes, nonce: int | None = None) -> TimeStamp:
    """Check a stamp of some bytes.

    Args:
        stamp: The authority's answer.
        data: The bytes that were stamped.
        roots: Root certificates of the authority in PEM form.
        nonce: That of the request, for a fresh answer.

    Raises:
        StampInvalid: It is wrong; the message says why.
    """
    from cryptography.x509 import load_pem_x509_certificates
    from rfc3161_client import VerificationError, VerifierBuilder

    try:
        trusted = load_pem_x509_certificates(roots)
    except ValueError:
        raise StampInvalid("the root certificate of the time-stamp authority is not in PEM form") from None
    response = _decoded(stamp)
    builder = VerifierBuilder(nonce=nonce)
    for root in dict.fromkeys(trusted):
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify_message(response, data)
        return _described(response)
    except (VerificationError, ValueError) as error:
        raise StampInvalid(f"the time stamp does not hold: {clean(str(error))[:200]}") from None


def stamp_end(stamp: bytes) -> int:
    """When the certificate of a stamp's authority ends, seconds since 1970 UTC. The stamp is not checked.

    Raises:
        StampInvalid: It is no stamp.
    """
    return _described(_decoded(stamp)).ends


def renewal_list(stamps: Iterable[tuple[str, bytes]]) -> bytes:
    """The list of stamps that a renewal stamps, from their file names and bytes."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in stamps).encode()


def listed(renewal: bytes) -> Iterator[tuple[str, str]]:
    """Yield the SHA-256 and the name of each stamp in a renewal's list."""
    for line in renewal.decode("utf-8", "replace").splitlines():
        if found := _LISTED.fullmatch(line):
            yield found[1], found[2]


def _decoded(stamp: bytes) -> TimeStampResponse:
    from rfc3161_client import PKIStatus, decode_timestamp_response

    if len(stamp) > LARGEST:
        raise StampInvalid("this is no time stamp: it is too large")
    try:
        response = decode_timestamp_response(stamp)
        status = PKIStatus(response.status)
    except ValueError as error:
        raise StampInvalid(f"this is no time stamp (RFC 3161): {clean(str(error))[:200]}") from None
    if status is not PKIStatus.GRANTED:
        why = "; ".join(clean(one)[:200] for one in response.status_string)
        raise StampInvalid(f"the time-stamp authority refuses ({status.name}){': ' if why else ''}{why}")
    return response


def _described(response: TimeStampResponse) -> TimeStamp:
    try:
        certificate = _signer(response)
        info = response.tst_info
        return TimeStamp(
            time=int(info.gen_time.timestamp()),
            authority=clean(certificate.subject.rfc4514_string())[:200],
            ends=int(certificate.not_valid_after_utc.timestamp()),
        )
    except (ValueError, LookupError) as error:
        raise StampInvalid(f"this is no time stamp (RFC 3161): {clean(str(error))[:200]}") from None


def _signer(response: TimeStampResponse) -> Certificate:
    """The certificate of the key that signed; raises LookupError if the stamp lacks it."""
    from cryptography.x509 import load_der_x509_certificate

    signers = list(response.signed_data.signer_infos)
    if len(signers) == 1:
        for data in response.signed_data.certificates:
            one = load_der_x509_certificate(data)
            if one.issuer == signers[0].issuer and one.serial_number == signers[0].serial_number:
                return one
    raise LookupError("it lacks the certificate of its authority")

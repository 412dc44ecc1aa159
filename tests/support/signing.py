"""Signs mail by DKIM and ARC with dkimpy, which judges our own reading, and holds the keys as DNS would."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from dkim.canonicalization import CanonicalizationPolicy

from muniment.mail.signatures.judge import judge
from muniment.mail.signatures.model import KeyRecord, SignatureResult
from muniment.mail.signatures.read_signatures import read_signatures

DOMAIN, RSA, ED25519 = "sender.example", "rsa1", "ed1"
RELAY = "relay.example"
SIGNED = (b"from", b"to", b"subject", b"date", b"message-id")


@cache
def _rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def _ed25519() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def rsa_record(bits: int = 2048) -> bytes:
    """The TXT record of an RSA key."""
    der = (
        _rsa(bits)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


def ed25519_record() -> bytes:
    """The TXT record of an Ed25519 key."""
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(_ed25519().public_key().public_bytes_raw())


def records() -> dict[str, bytes]:
    """TXT records by name."""
    return {
        f"{RSA}._domainkey.{DOMAIN}": rsa_record(),
        f"{ED25519}._domainkey.{DOMAIN}": ed25519_record(),
        f"{RSA}._domainkey.{RELAY}": rsa_record(),
    }


def _pem(bits: int) -> bytes:
    return _rsa(bits).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def signed(mail: bytes, algorithm: str = "rsa-sha256", form: str = "relaxed/relaxed", **more: Any) -> bytes:
    """The mail with a DKIM signature above it, made by dkimpy."""
    kind = algorithm.partition("-")[0]
    key = _pem(more.pop("bits", 2048)) if kind == "rsa" else base64.b64encode(_ed25519().private_bytes_raw())
    header, body = (one.encode() for one in form.split("/"))
    made = dkim.sign(
        mail,
        (RSA if kind == "rsa" else ED25519).encode(),
        DOMAIN.encode(),
        key,
        canonicalize=(header, body),
        signature_algorithm=algorithm.encode(),
        include_headers=list(more.pop("include", SIGNED)),
        **more,
    )
    return bytes(made) + mail


def signed_by_hand(mail: bytes, tags: bytes, form: bytes = b"relaxed/relaxed") -> bytes:
    """The mail with a DKIM signature that has tags which dkimpy does not write, such as `x=`."""
    start = b"v=1; d=%s; %s" % (DOMAIN.encode(), tags)
    return _signature(mail, b"DKIM-Signature", start, form) + mail


def sealed(mail: bytes, results: bytes = b"dkim=pass") -> bytes:
    """The mail with one more set of ARC above it. dkimpy needs another library to make one."""
    number = mail.count(b"ARC-Seal:") + 1
    stated = b"ARC-Authentication-Results: i=%d; %s; %s\r\n" % (number, RELAY.encode(), results)
    start = b"i=%d; d=%s" % (number, RELAY.encode())
    message = _signature(mail, b"ARC-Message-Signature", start, b"relaxed/relaxed")
    own = b"ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=%s; s=%s; t=1764583200; b=" % (
        *(number, b"pass" if number > 1 else b"none", RELAY.encode(), RSA.encode()),
    )
    fields = [one for one in dkim.rfc822_parse(message + stated + mail)[0] if one[0].startswith(b"ARC-")]
    order = [b"ARC-Authentication-Results", b"ARC-Message-Signature", b"ARC-Seal"]
    chain = [
        one
        for set_ in range(1, number + 1)
        for name in order
        for one in fields
        if one[0] == name and one[1].lstrip().startswith(b"i=%d;" % set_)
    ]
    return own + _by_key(chain, own, b"relaxed/relaxed") + b"\r\n" + message + stated + mail


def _signature(mail: bytes, name: bytes, start: bytes, form: bytes) -> bytes:
    """A signature's field, with the canonical forms of dkimpy."""
    fields, body = dkim.rfc822_parse(mail)
    canonical = CanonicalizationPolicy.from_c_value(form).canonicalize_body(body)
    digest = base64.b64encode(hashlib.sha256(canonical).digest())
    own = b"%s: %s; a=rsa-sha256; c=%s; s=%s; h=%s; bh=%s; b=" % (
        *(name, start, form, RSA.encode(), b":".join(SIGNED), digest),
    )
    chosen = [one for wanted in SIGNED for one in fields if one[0].lower() == wanted]
    return own + _by_key(chosen, own, form) + b"\r\n"


def _by_key(fields: list[tuple[bytes, bytes]], own: bytes, form: bytes) -> bytes:
    name, _, value = own.partition(b":")
    policy = CanonicalizationPolicy.from_c_value(form)
    data = policy.canonicalize_headers([*fields, (name, value)])
    text = b"".join(one + b":" + content for one, content in data).removesuffix(b"\r\n")
    return base64.b64encode(_rsa(2048).sign(text, padding.PKCS1v15(), hashes.SHA256()))


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    """Answers as dkimpy asks."""
    return records().get(name.decode().rstrip("."))


def verified(mail: bytes) -> bool:
    """Whether dkimpy finds the first signature valid. Anything that it raises is a no."""
    try:
        return bool(dkim.verify(mail, dnsfunc=dns, minkey=1024))
    except Exception:  # noqa: BLE001 - its errors have no common base
        return False


def arc_verified(mail: bytes) -> bool:
    """Whether dkimpy finds the chain of ARC valid."""
    return bool(dkim.arc_verify(mail, dnsfunc=dns)[0] == b"pass")


@dataclass
class Keys:
    """Keys as they are looked up, and which of them."""

    records: dict[str, bytes] = field(default_factory=records)
    asked: list[str] = field(default_factory=list)

    def __call__(self, domain: str, selector: str) -> KeyRecord:
        name = f"{selector}._domainkey.{domain}"
        self.asked.append(name)
        return KeyRecord(self.records.get(name))


def results(mail: bytes, keys: Keys | None = None) -> list[SignatureResult]:
    """What we find."""
    return judge(read_signatures(mail).found, Keys() if keys is None else keys)

"""Judges signatures by the keys of their domains. It reads no mail: only facts, and records of DNS."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from muniment.mail.signatures.model import (
    ARC,
    BROKEN,
    DKIM,
    INTACT,
    NONE,
    STATES,
    VALID,
    KeyRecord,
    SignatureFacts,
    SignatureResult,
)
from muniment.mail.signatures.signed_header import joined, read_tags

SMALLEST, LARGEST = 1024, 8192
"""Sizes of RSA keys that are used, in bits (RFC 8301)."""

FindKey = Callable[[str, str], KeyRecord]
"""Takes domain and selector."""


class KeyUnusable(ValueError):
    """There is no key that could confirm the signature; the sentence says why."""


def needs_key(facts: SignatureFacts) -> bool:
    """Whether only the key can say if a signature is valid."""
    return not facts.problem and bool(facts.domain)


def judge(found: Sequence[SignatureFacts], key_of: FindKey) -> list[SignatureResult]:
    """Return a result for each DKIM signature, and one for ARC if the message has any of it."""
    results = [_judge(facts, key_of) for facts in found if facts.kind == DKIM]
    arc = [_judge(facts, key_of) for facts in found if facts.kind != DKIM]
    if arc:
        results.append(_together(arc))
    return results


def best(results: Iterable[SignatureResult]) -> str:
    """Return the strongest state among the results; NONE if there are none."""
    return min((result.state for result in results), key=STATES.index, default=NONE)


def _together(results: Sequence[SignatureResult]) -> SignatureResult:
    """Return the result of ARC: that of its newest signature, unless a seal is weaker."""
    first = results[0]
    weakest = max(results, key=lambda result: STATES.index(result.state))
    return SignatureResult(
        kind=ARC,
        state=weakest.state,
        domain=first.domain,
        selector=first.selector,
        algorithm=first.algorithm,
        instance=first.instance,
        signed=first.signed,
        expires=first.expires,
        reason=weakest.reason,
    )


def _judge(facts: SignatureFacts, key_of: FindKey) -> SignatureResult:
    state, reason = _state(facts, key_of)
    return SignatureResult(
        kind=facts.kind,
        state=state,
        domain=facts.domain,
        selector=facts.selector,
        algorithm=facts.algorithm,
        instance=facts.instance,
        signed=facts.signed,
        expires=facts.expires,
        reason=reason,
    )


def _state(facts: SignatureFacts, key_of: FindKey) -> tuple[str, str]:
    if facts.problem:
        return (NONE if facts.unusable else BROKEN), facts.problem
    record = key_of(facts.domain, facts.selector)
    try:
        if record.text is None:
            raise KeyUnusable(record.problem or "the domain has no key of this name")
        confirmed = _confirms(record.text, facts)
    except KeyUnusable as error:
        return INTACT, str(error)
    return (VALID, "") if confirmed else (BROKEN, "its signed fields are not what was signed")


def _confirms(text: bytes, facts: SignatureFacts) -> bool:
    """Whether the key of a record confirms a signature.

    Raises:
        KeyUnusable: The record names no key for it.
    """
    kind, data = _key(text, facts)
    try:
        if kind == "ed25519":
            Ed25519PublicKey.from_public_bytes(data).verify(facts.signature, facts.digest)
        else:
            _rsa(data).verify(facts.signature, facts.digest, PKCS1v15(), Prehashed(SHA256()))
    except InvalidSignature:
        return False
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable("the domain's key can't be read") from None
    return True


def _key(text: bytes, facts: SignatureFacts) -> tuple[str, bytes]:
    """Return the kind of a record's key, and its bytes.

    Raises:
        KeyUnusable: The record names no key that may be used for this signature.
    """
    try:
        tags = read_tags(text)
        data = base64.b64decode(joined(tags[b"p"]), validate=True)
    except (ValueError, KeyError, binascii.Error):
        raise KeyUnusable("the domain's key record is malformed") from None
    if tags.get(b"v", b"DKIM1") != b"DKIM1":
        raise KeyUnusable("the domain's key record is of an unknown version")
    if not data:
        raise KeyUnusable("the domain has withdrawn the key")
    kind = tags.get(b"k", b"rsa").decode("ascii", "replace").lower()
    if not facts.algorithm.startswith(f"{kind}-"):
        raise KeyUnusable("the domain's key is of another kind")
    if not _allows(tags, b"h", b"sha256") or not _allows(tags, b"s", b"email"):
        raise KeyUnusable("the domain's key is for another use")
    strict = b"s" in joined(tags.get(b"t", b"")).split(b":")
    if strict and facts.identity not in ("", facts.domain):
        raise KeyUnusable("the domain's key is not for domains below it")
    return kind, data


def _allows(tags: dict[bytes, bytes], name: bytes, use: bytes) -> bool:
    """Whether a list of uses allows one of them; a list that is not there allows all."""
    stated = joined(tags.get(name, b"*")).lower().split(b":")
    return use in stated or (name == b"s" and b"*" in stated) or name not in tags


def _rsa(data: bytes) -> RSAPublicKey:
    key = load_der_public_key(data)
    if not isinstance(key, RSAPublicKey):
        raise KeyUnusable("the domain's key is of another kind")
    if not SMALLEST <= key.key_size <= LARGEST:
        raise KeyUnusable(f"the domain's key has {key.key_size} bits, and may have {SMALLEST} to {LARGEST}")
    return key

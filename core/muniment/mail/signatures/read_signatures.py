"""Reads the DKIM and ARC signatures of a message, as far as that needs no key.

RFC 6376 (DKIM), 8301 and 8463 (its algorithms), 8617 (ARC).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from muniment.mail.headers.fields import BLOCK_LIMIT, header_end
from muniment.mail.model import MailBuffer
from muniment.mail.signatures.body import LIMITS, BodyLimits, BodyTooBlank, body_hash
from muniment.mail.signatures.model import ARC, DKIM, SEAL, MessageSignatures, SignatureFacts
from muniment.mail.signatures.signed_header import (
    SignedField,
    canonical_field,
    chosen_fields,
    joined,
    read_tags,
    signed_bytes,
    signed_fields,
    without_signature,
)

MOST = 10
"""Signatures of DKIM, and sets of ARC, that are read; a hostile message may have thousands."""
ALGORITHMS = ("rsa-sha256", "ed25519-sha256")
SINGLE = (
    *(b"from", b"sender", b"reply-to", b"to", b"cc", b"date", b"subject", b"message-id"),
    *(b"in-reply-to", b"references", b"mime-version", b"content-type", b"content-transfer-encoding"),
)
"""Fields that a message has once. A further one that is not signed could be the one that a reader sees."""
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\Z")
_LAST = 253_402_300_799
"""The last second of the year 9999: what is later is no date that can be shown."""
_FORMS = {b"simple": False, b"relaxed": True}
_DKIM, _ARC, _SEAL, _RESULTS = (
    b"dkim-signature",
    b"arc-message-signature",
    b"arc-seal",
    b"arc-authentication-results",
)

BodyHash = Callable[[bool, int | None], tuple[bytes, int]]


class _Unusable(ValueError):
    """The signature proves nothing for any message."""


def read_signatures(buf: MailBuffer, limits: BodyLimits = LIMITS) -> MessageSignatures:
    """Read the signatures of a message. It never raises for what a message contains.

    A header of more than BLOCK_LIMIT bytes is not examined. `limits` says how much of a body is in memory.
    """
    start = header_end(buf)
    if start > BLOCK_LIMIT:
        return MessageSignatures()
    fields = signed_fields(buf[:start])
    known: dict[tuple[bool, int | None], tuple[bytes, int]] = {}

    def hashed(relaxed: bool, limit: int | None) -> tuple[bytes, int]:
        if (relaxed, limit) not in known:
            known[relaxed, limit] = body_hash(buf, start, relaxed=relaxed, limit=limit, limits=limits)
        return known[relaxed, limit]

    dkim = [field for field in fields if field.name == _DKIM][:MOST]
    return MessageSignatures((*(_read(DKIM, one, fields, hashed) for one in dkim), *_arc(fields, hashed)))


def _read(
    kind: str, field: SignedField, fields: Sequence[SignedField], hashed: BodyHash, instance: int = 0
) -> SignatureFacts:
    """Read a DKIM-Signature, or an ARC-Message-Signature, which is made alike."""
    facts = SignatureFacts(kind, "", "", "", instance=instance)
    try:
        tags = read_tags(field.value)
        facts = _stated(facts, tags)
        names = _signed_names(tags, fields)
        relaxed, body_relaxed = _forms(tags.get(b"c", b"simple/simple"))
        data = signed_bytes(chosen_fields(fields, names), field, relaxed)
        facts = replace(facts, digest=hashlib.sha256(data).digest(), signature=_decoded(tags[b"b"]))
        return replace(facts, problem=_body_problem(tags, body_relaxed, hashed))
    except _Unusable as error:
        return replace(facts, problem=str(error), unusable=True)
    except BodyTooBlank:
        return replace(facts, problem="its body is too large to be compared", unusable=True)
    except KeyError as error:
        return replace(facts, problem=f"its tag {error.args[0].decode()}= is missing")
    except ValueError as error:
        return replace(facts, problem=str(error))


def _stated(facts: SignatureFacts, tags: dict[bytes, bytes]) -> SignatureFacts:
    """Take over who signed, and how.

    Raises:
        ValueError: A tag is malformed.
        KeyError: A tag is missing.
    """
    domain, selector = _name(tags[b"d"]), _name(tags[b"s"])
    facts = replace(facts, domain=domain, selector=selector, algorithm=_algorithm(tags[b"a"]))
    if facts.kind == DKIM:
        if tags[b"v"] != b"1":
            raise _Unusable("its version is unknown")
        facts = replace(facts, identity=_identity(tags.get(b"i", b""), domain))
    facts = replace(facts, signed=_time(tags.get(b"t")), expires=_time(tags.get(b"x")))
    if facts.algorithm not in ALGORITHMS:
        raise _Unusable(f"its algorithm {facts.algorithm} proves nothing any more, or is unknown")
    return facts


def _name(content: bytes) -> str:
    text = content.decode("ascii", "replace").lower()
    if not _DOMAIN.match(text):
        raise ValueError("its domain or selector is no name")
    return text


def _algorithm(content: bytes) -> str:
    text = content.decode("ascii", "replace").lower()
    if not re.fullmatch(r"[a-z0-9-]{1,40}", text):
        raise ValueError("its algorithm is no name")
    return text


def _identity(content: bytes, domain: str) -> str:
    """Return the domain of `i=`, which must be the signing domain or one below it."""
    if not content:
        return ""
    text = _name(content.rpartition(b"@")[2])
    if text != domain and not text.endswith("." + domain):
        raise ValueError("its identity is not of its domain")
    return text


def _time(content: bytes | None) -> int | None:
    if content is None:
        return None
    if not re.fullmatch(rb"[0-9]{1,12}", content):
        raise ValueError("one of its times is no number")
    return min(int(content), _LAST)


def _signed_names(tags: dict[bytes, bytes], fields: Sequence[SignedField]) -> list[bytes]:
    """Return the names in `h=`.

    Raises:
        ValueError: From is not signed, or a field of which a message has one is there more often than it is
            signed.
    """
    names = [name.strip().lower() for name in joined(tags[b"h"]).split(b":")]
    if b"from" not in names:
        raise ValueError("it does not sign From")
    signed, there = Counter(names), Counter(field.name for field in fields)
    for name in SINGLE:
        if 0 < signed[name] < there[name]:
            raise ValueError(f"the message has a further field {name.decode().title()} that is not signed")
    return names


def _forms(content: bytes) -> tuple[bool, bool]:
    header, _, body = content.lower().partition(b"/")
    try:
        return _FORMS[header.strip()], _FORMS[body.strip() or b"simple"]
    except KeyError:
        raise _Unusable("its canonical form is unknown") from None


def _body_problem(tags: dict[bytes, bytes], relaxed: bool, hashed: BodyHash) -> str:
    """Compare the body with `bh=`; returns why it is not what was signed, "" if it is."""
    limit = _length(tags.get(b"l"))
    found, size = hashed(relaxed, limit)
    if found != _decoded(tags[b"bh"]) or (limit is not None and limit > size):
        return "its body is not what was signed"
    if limit is not None and limit < size:
        return f"only the first {limit:,} of {size:,} bytes of its body were signed"
    return ""


def _length(content: bytes | None) -> int | None:
    if content is None:
        return None
    if not re.fullmatch(rb"[0-9]{1,18}", content):
        raise ValueError("its length is no number")
    return int(content)


def _decoded(content: bytes) -> bytes:
    try:
        return base64.b64decode(joined(content), validate=True)
    except binascii.Error:
        raise ValueError("its base64 is damaged") from None


# --- ARC ----------------------------------------------------------------------------------------


def _arc(fields: Sequence[SignedField], hashed: BodyHash) -> Iterator[SignatureFacts]:
    """Yield the newest ARC-Message-Signature, and the seals of all sets."""
    try:
        sets = _sets(fields)
    except ValueError as error:
        yield SignatureFacts(ARC, "", "", "", problem=str(error))
        return
    if not sets:
        return
    yield _read(ARC, sets[-1][_ARC], fields, hashed, len(sets))
    for number in range(1, len(sets) + 1):
        yield _seal(sets[:number])


def _sets(fields: Sequence[SignedField]) -> list[dict[bytes, SignedField]]:
    """Return the fields of each ARC set by name, the first set first.

    Raises:
        ValueError: A set is not complete, or has a field twice, or there are too many.
    """
    found: dict[int, dict[bytes, SignedField]] = {}
    for field in fields:
        if field.name not in (_ARC, _SEAL, _RESULTS):
            continue
        one = found.setdefault(_instance(field), {})
        if field.name in one:
            raise ValueError("a set of ARC has a field twice")
        one[field.name] = field
    if len(found) > MOST:
        raise ValueError("it has too many sets of ARC")
    if sorted(found) != list(range(1, len(found) + 1)) or any(len(one) < 3 for one in found.values()):
        raise ValueError("a set of ARC is not complete")
    return [found[number] for number in sorted(found)]


def _instance(field: SignedField) -> int:
    """Return the number of the set that a field belongs to; 0 if it says none."""
    tags = field.value.partition(b";")[0] if field.name == _RESULTS else field.value
    stated = read_tags(tags).get(b"i", b"")
    return int(stated) if re.fullmatch(rb"[0-9]{1,2}", stated) else 0


def _seal(sets: Sequence[dict[bytes, SignedField]]) -> SignatureFacts:
    """Read the seal of the last of these sets, which signs the fields of all of them."""
    facts = SignatureFacts(SEAL, "", "", "", instance=len(sets))
    own = sets[-1][_SEAL]
    try:
        tags = read_tags(own.value)
        facts = _stated(facts, tags)
        if tags[b"cv"].lower() != (b"none" if len(sets) == 1 else b"pass"):
            raise ValueError("a seal of ARC says that the chain was broken already")
        earlier = [one[name] for one in sets for name in (_RESULTS, _ARC, _SEAL)][:-1]
        data = b"".join(canonical_field(field, relaxed=True) for field in earlier)
        data += canonical_field(without_signature(own), relaxed=True).removesuffix(b"\r\n")
        return replace(facts, digest=hashlib.sha256(data).digest(), signature=_decoded(tags[b"b"]))
    except _Unusable as error:
        return replace(facts, problem=str(error), unusable=True)
    except KeyError as error:
        return replace(facts, problem=f"its tag {error.args[0].decode()}= is missing")
    except ValueError as error:
        return replace(facts, problem=str(error))

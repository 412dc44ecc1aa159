"""What a signature says, and what can be found out about it. Nothing here reads mail."""

from __future__ import annotations

from msgspec import Struct

VALID = "valid"
"""The body and the signed fields are as the domain's key confirms them."""
INTACT = "body intact, key unknown"
"""The body is as it was signed; whether the signed fields are, only a key could say."""
BROKEN = "broken"
"""What is stored is not what was signed, or not all of it was, or the signature is malformed."""
NONE = "none"
"""The message has no signature of a kind that proves anything."""
STATES = (VALID, INTACT, BROKEN, NONE)
"""The results, the strongest first. None says that a message is authentic: a domain signs what it likes."""

DKIM, ARC, SEAL = "dkim", "arc", "arc-seal"


class SignatureFacts(Struct, frozen=True, array_like=True):
    """A signature as far as the message alone shows it."""

    kind: str
    """DKIM; ARC for the newest ARC-Message-Signature; SEAL for an ARC-Seal."""
    domain: str
    """The domain that signed, in lower case; "" if it is not valid."""
    selector: str
    algorithm: str
    digest: bytes = b""
    """SHA-256 of the signed fields in canonical form: what the key signs."""
    signature: bytes = b""
    identity: str = ""
    """The domain of `i=`, if it is stated."""
    instance: int = 0
    """The number of the ARC set, from 1."""
    signed: int | None = None
    """When it was signed by its own account, in seconds since 1970 UTC."""
    expires: int | None = None
    """Until when the signer meant it to be used."""
    problem: str = ""
    """Why it is broken under any key; "" if only the key can say."""
    unusable: bool = False
    """Whether it proves nothing, such as one with SHA-1. `problem` says why."""


class MessageSignatures(Struct, frozen=True, array_like=True):
    """The signatures of a message."""

    found: tuple[SignatureFacts, ...] = ()
    """Those of DKIM, then the newest ARC-Message-Signature and the seals of ARC, the first set first."""


class KeyRecord(Struct, frozen=True):
    """The answer of DNS about the key of a selector."""

    text: bytes | None = None
    """The TXT record that names a key, else the first; None if there is none."""
    authentic: bool = False
    """Whether the resolver has checked the answer by DNSSEC (its AD flag)."""
    problem: str = ""
    """Why there is no record."""


class SignatureResult(Struct, frozen=True, omit_defaults=True):
    """The result of one signature, or of ARC as a whole."""

    kind: str
    state: str
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    instance: int = 0
    signed: int | None = None
    expires: int | None = None
    reason: str = ""

"""The header of a signed message: tags of a signature, and the signed fields in canonical form (RFC 6376)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from muniment.mail.headers.fields import fields

_TAG = re.compile(rb"[A-Za-z][A-Za-z0-9_]*\Z")
_SPACE = re.compile(rb"[ \t\r\n]+")
_RUN = re.compile(rb"[ \t]+")


class SignedField(NamedTuple):
    """A header field with its line end."""

    name: bytes
    """Lower case."""
    raw: bytes
    """Its bytes, with CRLF at the ends of lines."""

    @property
    def value(self) -> bytes:
        """What follows the colon."""
        return self.raw.partition(b":")[2]


def signed_fields(header: bytes) -> list[SignedField]:
    """Return the fields of a header block in order; lines that are no fields are left out."""
    found = []
    for field in fields(header):
        if field.name:
            raw = header[field.start : field.end].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            found.append(SignedField(field.name, raw if raw.endswith(b"\r\n") else raw + b"\r\n"))
    return found


def read_tags(value: bytes) -> dict[bytes, bytes]:
    """Return the tags of a list such as `v=1; a=rsa-sha256` by name.

    Raises:
        ValueError: The list is malformed, or has a tag twice.
    """
    tags: dict[bytes, bytes] = {}
    for item in value.strip().removesuffix(b";").split(b";"):
        name, equals, content = item.partition(b"=")
        name = name.strip()
        if not equals or not _TAG.match(name) or name in tags:
            raise ValueError("its tags are malformed")
        tags[name] = content.strip()
    return tags


def joined(content: bytes) -> bytes:
    """Return the content of a tag without the white space by which it was folded."""
    return _SPACE.sub(b"", content)


def canonical_field(field: SignedField, relaxed: bool) -> bytes:
    """Return a field in canonical form, with its line end."""
    if not relaxed:
        return field.raw
    value = _RUN.sub(b" ", field.value.replace(b"\r\n", b"")).strip(b" ")
    return field.name + b":" + value + b"\r\n"


def without_signature(field: SignedField) -> SignedField:
    """Return a signature's field as it was when it was signed: with nothing behind `b=`."""
    name, _, value = field.raw.partition(b":")
    items = value.split(b";")
    for number, item in enumerate(items):
        tag, equals, _ = item.partition(b"=")
        if equals and tag.strip() == b"b":
            items[number] = tag + b"="
    return SignedField(field.name, name + b":" + b";".join(items))


def chosen_fields(all_: Sequence[SignedField], names: Sequence[bytes]) -> list[SignedField]:
    """Return the fields that `h=` names, each time the next one from below; a missing one adds nothing."""
    left: dict[bytes, list[SignedField]] = {}
    for field in all_:
        left.setdefault(field.name, []).append(field)
    return [left[name].pop() for name in names if left.get(name)]


def signed_bytes(chosen: Sequence[SignedField], signature: SignedField, relaxed: bool) -> bytes:
    """Return what a signature signs: the chosen fields, then its own field without the last line end."""
    own = canonical_field(without_signature(signature), relaxed)
    return b"".join(canonical_field(field, relaxed) for field in chosen) + own.removesuffix(b"\r\n")

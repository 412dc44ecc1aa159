"""Checks the section [checkpoints]. `config.check` says what form problems have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from muniment.config.model import Settings
from muniment.profiles.fields import is_address

_HTTP = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
_KEY = re.compile(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*")
LONGEST_ORIGIN = 200
"""Most bytes of an origin; new keys add a number."""


def checkpoint_problems(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield dotted keys of wrong settings, each with a sentence."""
    section = settings.checkpoints
    origin = section.origin
    if origin and (not _is_name(origin) or len(origin.encode()) > LONGEST_ORIGIN):
        yield (
            "checkpoints.origin",
            "{origin} must be a name without white space and plus, such as example.org/archive",
        )
    for key in ("witnesses", "authority"):
        for url in section.witnesses if key == "witnesses" else filter(None, [section.authority]):
            if not _HTTP.fullmatch(url):
                yield f"checkpoints.{key}", f"{{{key}}} must be an address such as https://example.org/"
    for text in section.witness_keys:
        if not _KEY.fullmatch(text):
            yield (
                "checkpoints.witness_keys",
                "{witness_keys} must be keys of the form NAME+ID+KEY, as `muniment witness init` prints them",
            )
            break
    if section.witnesses and not section.witness_keys:
        yield "checkpoints.witness_keys", "{witness_keys} is missing; {witnesses} need their public keys"
    if section.authority and not section.authority_root:
        yield (
            "checkpoints.authority_root",
            "{authority_root} is missing; name the PEM file with the root certificate of {authority}",
        )
    for address in section.mail:
        if not is_address(address) or not address.isprintable():
            yield "checkpoints.mail", f"{address[:80]!r} is not a mail address"
    if section.mail and not settings.notify.mail.on:
        yield "checkpoints.mail", "{mail} needs the mail relay of [notify.mail], which is not set up"


def _is_name(text: str) -> bool:
    return text.isprintable() and not any(one.isspace() or one == "+" for one in text)

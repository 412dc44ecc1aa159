"""The addresses of notification services for a form: labels in place of secrets.

An address may contain a token or a password, so it never leaves the service. A client gets a label for each
one, and sends the label back for an address that stays.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from muniment.errors import ConfigError

NotifyUrl = str | dict[str, Any]
WAYS = ("file", "env", "keyring", "command")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://")


def labels(urls: Sequence[NotifyUrl]) -> tuple[str, ...]:
    """A label for each address: where it is stored, or only the scheme of one that is in vault.toml."""
    return tuple(_label(number, url) for number, url in enumerate(urls, 1))


def _label(number: int, url: NotifyUrl) -> str:
    if isinstance(url, str):
        return f"{scheme_of(url)}:… ({number})"
    way, place = next(iter(url.items()))
    return f"{way} {shlex.join(map(str, place)) if isinstance(place, list | tuple) else place}"


def scheme_of(url: str) -> str:
    """A URL's scheme, which is the only part without secrets; "URL" if it has none."""
    found = _SCHEME.match(url)
    return found[1] if found else "URL"


def typed(texts: Any, known: Sequence[NotifyUrl]) -> Iterator[NotifyUrl]:
    """The address that each text means: a label, a place such as `file PATH`, or an address in full.

    Raises:
        ConfigError: a text is none of these, or they are no list. The sentence does not repeat it.
    """
    if not isinstance(texts, list | tuple):
        raise ConfigError("it is not a list of addresses")
    by_label = dict(zip(labels(known), known, strict=True))
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise ConfigError(f"number {number} is not a text")
        way, _, place = text.strip().partition(" ")
        if text.strip() in by_label:
            yield by_label[text.strip()]
        elif way in WAYS and place.strip():
            yield {way: _words(place, number) if way == "command" else place.strip()}
        elif "://" in text:
            yield text.strip()
        else:
            raise ConfigError(
                f"number {number} is not the address of a service: write it like ntfy://topic, or say where "
                "it is stored, such as file /etc/muniment/ntfy.url"
            )


def _words(text: str, number: int) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise ConfigError(f"number {number}: a quote is not closed") from None


def stored(texts: Any, known: Sequence[NotifyUrl], keep: Callable[[str], dict[str, Any]]) -> list[NotifyUrl]:
    """As `typed`, in the form of vault.toml; `keep` stores a new address and returns its place."""
    before = [url for url in known if isinstance(url, str)]
    meant = list(typed(texts, known))  # all are read before one is kept
    return [keep(url) if isinstance(url, str) and url not in before else url for url in meant]

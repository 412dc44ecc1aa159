"""Addresses as mail writes them (RFC 5322 3.4), and in the one form that they are compared in."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from muniment.mail.charsets import to_text
from muniment.mail.headers import decode_words

ADDRESS_LIMIT = 1024
"""Characters of an address; RFC 5321 allows 254, X.500 and encapsulated ones are longer."""
COUNT_LIMIT = 10_000
"""Addresses that are read from one field."""

_MARKS_PER_ADDRESS = 4
"""Brackets, quotes and commas that an address has as a rule. A field that has many more is no list of
addresses: after that number for each address that is wanted, only what looks like an address is taken."""
_MARKS_AT_LEAST = 1000
_SCHEMES = ("smtp:", "mailto:")
_SPECIAL = re.compile(r'["(<>,;:]')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_LOCAL = re.compile(r'"(?:[^"\\]|\\.)*+"@\S+\Z', re.DOTALL)
_ANGLE = re.compile(r"<++([^<>]*)")
_WORDS = re.compile(r"[\s<>,;:()\"\\\[\]]+")
_PAREN = re.compile(r"[()\\]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPACE = re.compile(r"\s+")


class Address(NamedTuple):
    """One mailbox of a header field; `address` is as written, "" where there is none."""

    name: str
    address: str


def normalise(address: str) -> str:
    """The form that addresses are compared in: bare, composed (NFC), all in lower case.

    Exchange's `SMTP:` is dropped; its IMCEA-encapsulated addresses stay encapsulated. Of text longer than
    ADDRESS_LIMIT, which is no usable address, one character more than that.
    """
    bare = address.strip()[: ADDRESS_LIMIT + 1].lower()[: ADDRESS_LIMIT + 1]
    if len(bare) > ADDRESS_LIMIT:  # to put many combining marks in order takes quadratic time
        return bare
    if bare.startswith("<") and bare.endswith(">"):
        bare = bare[1:-1].strip()
    if bare.startswith(_SCHEMES):
        bare = bare.partition(":")[2].strip()
    return bare if bare.isascii() else unicodedata.normalize("NFC", bare)


def without_tag(address: str) -> str:
    """The address that a plus-address leads to: `bob+news@x` is `bob@x`; others as they are."""
    local, at, host = address.rpartition("@")
    base, plus, _ = local.partition("+")
    return base + at + host if plus and base else address


def domain(address: str) -> str:
    """What stands behind the last `@`, in lower case; "" for an address without one."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def usable(address: str) -> bool:
    """Whether a normalised address can name a mailbox: one word with an `@`, or an X.500 name."""
    if not address or len(address) > ADDRESS_LIMIT:
        return False
    if address.startswith("/"):
        return "=" in address
    local, _, host = address.rpartition("@")
    if not local or not host or _SPACE.search(host):
        return False
    return local[0] == '"' or not _SPACE.search(local)


def parse(value: bytes | str, limit: int = COUNT_LIMIT) -> list[Address]:
    """The mailboxes of an address field, at most `limit`, in order. Never raises; linear in time.

    Members of groups are given without their group; names are decoded; of what is broken, whatever
    looks like an address is kept.
    """
    text = to_text(value) if isinstance(value, bytes) else value
    if not _SPECIAL.search(text):
        return _bare(text.strip(), "")
    return _Scan(text, limit).addresses


class _Scan:
    """One pass over a field. What is opened and never closed is taken as plain text from there on."""

    def __init__(self, text: str, limit: int) -> None:
        self.addresses: list[Address] = []
        self._text = text
        self._plain: set[str] = set()
        self._held = ""
        self._start()
        at = marks = 0
        while at < len(text) and len(self.addresses) < limit:
            marks += 1
            if marks > _MARKS_AT_LEAST + _MARKS_PER_ADDRESS * limit:
                self._finish("")
                self.addresses += [Address("", word) for word in _WORDS.split(text[at:]) if "@" in word]
                break
            special = _SPECIAL.search(text, at)
            stop = special.start() if special else len(text)
            self._add(text[at:stop])
            at = self._take(text[stop], stop) if special else stop
        self._finish("")
        del self.addresses[limit:]

    def _start(self) -> None:
        self._words: list[str] = []
        self._has_at = False
        self._comment = ""
        self._angle: str | None = None

    def _add(self, word: str) -> None:
        self._words.append(word)
        self._has_at = self._has_at or "@" in word

    def _take(self, char: str, at: int) -> int:
        """Handle the special character at `at`; returns where to go on."""
        if char in self._plain:
            self._add(char)
            return at + 1
        if char == '"':
            return self._quoted(at)
        if char == "(":
            return self._parenthesised(at)
        if char == "<":
            return self._angled(at)
        if char == ":":
            self._colon()
        elif char in ",;":
            self._finish(char)
        return at + 1

    def _quoted(self, at: int) -> int:
        match = _QUOTED.match(self._text, at)
        if match is None:
            self._plain.add('"')
            return at + 1
        local = self._text.startswith("@", match.end())
        self._add(match[0] if local else _ESCAPED.sub(r"\1", match[1]))
        return match.end()

    def _parenthesised(self, at: int) -> int:
        depth, end = 0, at
        while True:
            found = _PAREN.search(self._text, end)
            if found is None:
                self._plain.add("(")
                return at + 1
            end = found.end() + (found[0] == "\\")
            depth += {"(": 1, ")": -1}.get(found[0], 0)
            if not depth:
                self._comment = self._comment or self._text[at + 1 : end - 1]
                return end

    def _angled(self, at: int) -> int:
        match = _ANGLE.match(self._text, at)
        assert match is not None
        content, end = match[1], match.end()
        if self._text.startswith(">", end):
            self._angle = self._angle or content
            return end + 1
        content = re.split(r"[,;\s]", content.lstrip(), maxsplit=1)[0]
        self._angle = self._angle or content
        return self._text.index(content, match.start(1)) + len(content)

    def _colon(self) -> None:
        """What stood before a colon named a group, or was a scheme: neither is an address."""
        if self._angle is None and not self._has_at:
            self._words.clear()
        else:
            self._add(":")

    def _finish(self, delimiter: str) -> None:
        """End a mailbox. `Berg, Anna <anna@x>` is one, though its comma should have been quoted."""
        text, comment, angle = "".join(self._words).strip(), self._comment, self._angle
        held, self._held = self._held, ""
        self._start()
        if angle is not None and angle.strip():
            name = f"{held}, {text}" if held and text else held or text
            self.addresses.append(Address(_name(name or comment), _route_less(angle)))
            return
        if held:
            self.addresses += _bare(held, "")
        if delimiter == "," and text and "@" not in text and not comment:
            self._held = text
        elif text:
            self.addresses += _bare(text, comment)


def _name(text: str) -> str:
    return decode_words(_SPACE.sub(" ", text).strip())


def _route_less(angle: str) -> str:
    """The address between angle brackets, without the white space and the route (RFC 5322 4.4)."""
    bare = angle.strip()
    if bare.startswith("@"):
        bare = bare.rpartition(":")[2]
    if bare.lower().startswith(_SCHEMES):
        bare = bare.partition(":")[2]
    return bare if bare.startswith(('"', "/")) else _SPACE.sub("", bare)


def _bare(text: str, comment: str) -> list[Address]:
    """What is written without angle brackets: usually one mailbox, its name in a comment or beside it."""
    words = text.split()
    if len(words) < 2 or (text[0] == '"' and _LOCAL.match(text)):
        return [Address(_name(comment), text)] if text else []
    with_at = [word for word in words if "@" in word]
    if not with_at:
        return [Address(_name(text), "")]
    if any(word[0] == "@" or word[-1] == "@" for word in with_at):
        return [Address(_name(comment), "".join(words))]
    if len(with_at) > 1:
        return [Address("", word) for word in with_at]
    name = " ".join(word for word in words if "@" not in word)
    return [Address(_name(name or comment), with_at[0])]

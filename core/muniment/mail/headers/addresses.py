"""Addresses as mail writes them (RFC 5322 3.4), and the one form in which they are compared.

Routing, the catalog and the search for an address all read addresses by `parse` and `mailboxes`, so they
agree.

An encoded word (RFC 2047) is a name: it contains no address and separates none. There is one exception, for
programs that encode a whole field: a mailbox without an address outside its encoded words is decoded and then
read. So a name can never add an address to the one beside it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from muniment.mail.charsets.decode import to_text
from muniment.mail.headers import domains
from muniment.mail.headers.fields import decode_words, remembered

ADDRESS_LIMIT = 1024
"""Characters of an address. RFC 5321 allows 254; X.500 and encapsulated ones are longer."""
COUNT_LIMIT = 10_000
"""Addresses that are read from one field."""

_MARKS_PER_ADDRESS = 4
"""Brackets, quotes and commas that an address normally has. A field with many more is no list of addresses:
after this number for each wanted address, only words that look like addresses are taken."""
_MARKS_AT_LEAST = 1000
_SCHEMES = ("smtp:", "mailto:")
_SPECIAL = re.compile(r'["(<>,;:]|=\?')
_ENCODED = re.compile(r"=\?[^?\s]{1,80}\?[BbQq]\?[^?]*\?=")
_NOT_BARE = re.compile(r'[\s<>,;:()"\\\[\]@]')
"""Characters that an encoded half of an address must not contain."""
_QUOTED_LOCAL = re.compile(r'\A"((?:[^"\\]|\\.)*+)"\Z', re.DOTALL)
_NEEDS_QUOTES = re.compile(r'[\s<>,;:()"\\\[\]@\x00-\x1f\x7f]')
_MUST_ESCAPE = re.compile(r'(["\\])')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_LOCAL = re.compile(r'"(?:[^"\\]|\\.)*+"@\S+\Z', re.DOTALL)
_ANGLE = re.compile(r"<++([^<>]*)")
_WORDS = re.compile(r"[\s<>,;:()\"\\\[\]]+")
_PAREN = re.compile(r"[()\\]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPACE = re.compile(r"\s+")
_PLAIN = r"(?!/)[a-z0-9!#$%&'*+/=^_`{|}~.-]{1,64}+@[a-z0-9._-]{1,255}+(?<!\.)"
"""An address that lower case alone brings into its normalised form."""
_PLAIN_WORD = r"=\?[^?\s\"(<>,;:@]{1,80}\?[bq]\?[^?\s\"(<>,;:@]*\?="
_PLAIN_NAME = rf'[^"(<>,;:=]*+(?:(?:"[^"\\]*+"|{_PLAIN_WORD}|=[^?"(<>,;:=])[^"(<>,;:=]*+)*'
_MAILBOX = re.compile(rf"\s*+(?:{_PLAIN_NAME}<\s*+({_PLAIN})\s*+>|({_PLAIN}))\s*+(?:,|\Z)")
"""An ordinary mailbox in lower case, and the comma behind it."""
_END = re.compile(r"[\s.]+\Z")


class HeaderAddress(NamedTuple):
    """One mailbox of a header field. `address` is as it was written; "" if there is none."""

    name: str
    address: str


def normalise(address: str) -> str:
    """The form in which addresses are compared: bare, composed (NFC), all in lower case. Never raises.

    Exchange's `SMTP:` is removed; its IMCEA-encapsulated addresses stay encapsulated. The domain has one
    spelling (see `mail.headers.domains`) and no dot at its end. The part before it has no unnecessary quotes.
    Text longer than ADDRESS_LIMIT is no usable address: it comes back cut to one character more than that.
    """
    bare = address.strip()[: ADDRESS_LIMIT + 1].lower()[: ADDRESS_LIMIT + 1]
    if len(bare) > ADDRESS_LIMIT:  # NFC takes quadratic time for many combining marks
        return bare
    while (angled := bare.startswith("<") and bare.endswith(">")) or bare.startswith(_SCHEMES):
        bare = (bare[1:-1] if angled else bare.partition(":")[2]).strip()
    if bare.isascii() and '"' not in bare and domains.PREFIX not in bare and bare[-1:] != ".":
        return bare
    local, at, host = unicodedata.normalize("NFC", bare).rpartition("@")
    if not at:
        return host
    name, space, rest = host.partition(" ")  # a user's label may have another word behind it
    return _END.sub("", _unquoted(local) + at + domains.canonical(name) + space + rest)


def _unquoted(local: str) -> str:
    """The part before the @ without unnecessary quotes and escapes."""
    quoted = _QUOTED_LOCAL.match(local)
    if quoted is None:
        return local
    content = _ESCAPED.sub(r"\1", quoted[1])
    if content and not _NEEDS_QUOTES.search(content):
        return content
    return '"' + _MUST_ESCAPE.sub(r"\\\1", content) + '"'


def without_tag(address: str) -> str:
    """The address to which a plus-address leads: `bob+news@x` is `bob@x`. Others stay as they are."""
    local, at, host = address.rpartition("@")
    base, plus, _ = local.partition("+")
    return base + at + host if plus and base else address


def domain(address: str) -> str:
    """The domain behind the last `@`, in its one spelling; "" for an address without one."""
    return domains.canonical(address.rpartition("@")[2]) if "@" in address else ""


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


def parse(value: bytes | str, limit: int = COUNT_LIMIT) -> list[HeaderAddress]:
    """The mailboxes of an address field in order, at most `limit`. Never raises; linear in time.

    Members of a group are given without the group. Names are decoded. Of a broken field, everything is kept
    that looks like an address.
    """
    text = to_text(value) if isinstance(value, bytes) else value
    if not _SPECIAL.search(text):
        return _bare(text.strip(), "")
    return _Scan(text, limit).addresses


def mailboxes(values: Iterable[bytes | str]) -> tuple[str, ...]:
    """The normalised usable addresses in the values of a field, each once, in order, at most COUNT_LIMIT.

    Never raises.
    """
    found: dict[str, None] = {}
    for value in values:
        found |= dict.fromkeys(_read(value))
        if len(found) >= COUNT_LIMIT:
            return tuple(found)[:COUNT_LIMIT]
    return tuple(found)


@remembered
def _read(value: bytes | str) -> tuple[str, ...]:
    found = _listed(value)
    return (
        tuple(filter(usable, (normalise(entry.address) for entry in parse(value))))
        if found is None
        else found
    )


def _listed(value: bytes | str) -> tuple[str, ...] | None:
    """At most COUNT_LIMIT addresses of a list of ordinary mailboxes; None for any other list.

    Nearly all lists are ordinary. `parse` gives the same result, but takes many times as long.
    """
    if not value.isascii():
        return None
    text = (value.decode("ascii") if isinstance(value, bytes) else value).lower()
    if "\x1b" in text or domains.PREFIX in text:
        return None
    found: list[str] = []
    at = 0
    while at < len(text) and len(found) < COUNT_LIMIT:
        mailbox = _MAILBOX.match(text, at)
        if mailbox is None:
            return None
        found.append(mailbox[1] or mailbox[2])
        at = mailbox.end()
    return tuple(found)


class _Scan:
    """One pass over a field. A quote, comment or bracket that is never closed is plain text.

    `decoded`: the text was decoded before, so nothing in it is an encoded word.
    """

    def __init__(self, text: str, limit: int, decoded: bool = False) -> None:
        self.addresses: list[HeaderAddress] = []
        self._text = text
        self._limit = limit
        self._decoded = decoded
        self._plain: set[str] = set()
        self._held = ""
        self._start()
        at = marks = 0
        while at < len(text) and len(self.addresses) < limit:
            marks += 1
            if marks > _MARKS_AT_LEAST + _MARKS_PER_ADDRESS * limit:
                self._finish("")
                self.addresses += [HeaderAddress("", word) for word in _WORDS.split(text[at:]) if "@" in word]
                break
            special = _SPECIAL.search(text, at)
            stop = special.start() if special else len(text)
            self._add(text[at:stop])
            at = self._take(text[stop], stop) if special else stop
        self._finish("")
        del self.addresses[limit:]

    def _start(self) -> None:
        self._words: list[str] = []
        self._has_at = self._encoded = False
        self._comment = ""
        self._angle: str | None = None

    def _add(self, word: str) -> None:
        self._words.append(word)
        self._has_at = self._has_at or "@" in word

    def _take(self, char: str, at: int) -> int:
        """Handle the special character at `at`. Returns the offset at which to continue."""
        if char in self._plain:
            self._add(char)
            return at + 1
        if char == "=":
            return self._encoded_word(at)
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

    def _encoded_word(self, at: int) -> int:
        """Take an encoded word undecoded. It separates no mailboxes, and an `@` in it is no address's."""
        word = None if self._decoded else _ENCODED.match(self._text, at)
        if word is None:
            self._encoded = True
            self._add("=?")
            return at + 2
        self._encoded = True
        self._words.append(word[0])
        return word.end()

    def _quoted(self, at: int) -> int:
        match = _QUOTED.match(self._text, at)
        if match is None:
            self._plain.add('"')
            return at + 1
        local = self._text.startswith("@", match.end())
        self._encoded = self._encoded or (not local and "=?" in match[1])
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
        """The words before a colon name a group or a scheme. Neither is an address."""
        if self._angle is None and not self._has_at:
            self._words.clear()
        else:
            self._add(":")

    def _finish(self, delimiter: str) -> None:
        """End a mailbox. `Berg, Anna <anna@x>` is one, though its comma should have been quoted."""
        text, comment, angle, has_at = "".join(self._words).strip(), self._comment, self._angle, self._has_at
        encoded = self._encoded and not self._decoded
        held, self._held = self._held, ""
        self._start()
        if held and (hidden := self._hidden(held)):  # the comma separates mailboxes that are encoded whole
            self.addresses += hidden
            held = ""
        if angle is not None and angle.strip():
            name = f"{held}, {text}" if held and text else held or text
            self.addresses.append(HeaderAddress(_name(name or comment), _decoded_half(_route_less(angle))))
            return
        if held:
            self.addresses += _bare(held, "")
        if delimiter == "," and text and not has_at and not comment:
            self._held = text
        elif encoded:
            self.addresses += self._hidden(text) or _beside_words(text, comment)
        elif text:
            self.addresses += _bare(text, comment)

    def _hidden(self, text: str) -> list[HeaderAddress]:
        """The mailboxes in the encoded words of a text that has no address outside them."""
        if self._decoded or "=?" not in text or "@" in _ENCODED.sub(" ", text):
            return []
        plain = decode_words(text)
        if "@" not in plain:
            return []
        room = max(self._limit - len(self.addresses), 0)
        return [one for one in _Scan(plain, room, decoded=True).addresses if "@" in one.address]


def _beside_words(text: str, comment: str) -> list[HeaderAddress]:
    """A mailbox without angle brackets but with encoded words, which are its name or half of its address."""
    whole = _decoded_half(text)
    if "=?" not in whole:
        return _bare(whole, comment)
    name = " ".join(_ENCODED.findall(text))
    outside = _ENCODED.sub(" ", text).strip()
    found = _bare(outside, comment) if outside else []
    if not any("@" in one.address for one in found):
        return [HeaderAddress(_name(text or comment), "")]
    return [HeaderAddress(one.name or _name(name), one.address) for one in found]


def _decoded_half(address: str) -> str:
    """An address with encoded words as one half or both, decoded; unchanged if that gives no address."""
    if "=?" not in address or address[0] == '"':
        return address
    local, at, host = _ENCODED.sub(_marked, address).rpartition("@")
    halves = [decode_words(half.replace(_AT, "@")) for half in (local, host)]
    if at and not any(_NOT_BARE.search(half) or "=?" in half for half in halves):
        return "@".join(halves)
    whole = decode_words(address)
    if _ENCODED.sub("", address).strip():
        return address
    name, at, host = whole.rpartition("@")
    return whole if at and not (_NOT_BARE.search(name) or _NOT_BARE.search(host)) else address


_AT = "\0"


def _marked(word: re.Match[str]) -> str:
    """An encoded word in which no @ separates the halves of an address."""
    return word[0].replace("@", _AT)


def _name(text: str) -> str:
    return decode_words(_SPACE.sub(" ", text).strip())


def _route_less(angle: str) -> str:
    """The address in angle brackets, without white space and route (RFC 5322 4.4)."""
    bare = angle.strip()
    if bare.startswith("@"):
        bare = bare.rpartition(":")[2]
    if bare.lower().startswith(_SCHEMES):
        bare = bare.partition(":")[2]
    return bare if bare.startswith(('"', "/")) else _SPACE.sub("", bare)


def _bare(text: str, comment: str) -> list[HeaderAddress]:
    """The mailboxes in a text without angle brackets.

    Usually there is one, with its name in a comment or beside it.
    """
    words = text.split()
    if len(words) < 2 or (text[0] == '"' and _LOCAL.match(text)):
        return [HeaderAddress(_name(comment), text)] if text else []
    with_at = [word for word in words if "@" in word]
    if not with_at:
        return [HeaderAddress(_name(text), "")]
    if any(word[0] == "@" or word[-1] == "@" for word in with_at):
        return [HeaderAddress(_name(comment), "".join(words))]
    if len(with_at) > 1:
        return [HeaderAddress("", word) for word in with_at]
    name = " ".join(word for word in words if "@" not in word)
    return [HeaderAddress(_name(name or comment), with_at[0])]

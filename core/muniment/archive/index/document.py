"""What the index holds of a message: its words, its addresses and their roles. Never users, nothing stored.

Words go into text fields with positions. All that is matched whole goes into one field, `tags`:

    from:anna@example.com  from:@example.com     likewise to:, cc:, bcc:, from the message's own headers
    from+:anna@example.com  to+: cc+: bcc+:      those that only an envelope names; secret as Bcc is
    by:bob@example.com\\0bcc:anna@example.com    likewise, as bob knows it, who sent that copy; domains, too
    party:anna@example.com                       a copy is placed with whoever has this address
    in:inbox  in:inbox\\0anna@example.com         placed in a folder; in that folder of that address
    party:anna@example.com\\0+                    the copy is addressed to hers with a `+tag`; likewise in:
    has:attachment  id:3f9a...                   the first 16 hex digits of its SHA-256
    msgid:a1@example.com  ref:a0@example.com     its Message-ID; those in its References and In-Reply-To

Text fields hold words as `mail.text.folding` folds them. A word with an umlaut is written out besides in
one more field, `spelled`, as `body:mueller`: see there.

`order` is (date, id) in one number: what results are sorted, paged and bounded by. `first` and `last`
bound the times of the trusted mentions, by which an address that passed from one person to another is split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import tantivy
from msgspec import Struct

from muniment.mail.headers.addresses import without_tag
from muniment.mail.model import INBOX_ROLES, SENT_ROLES, MessageText, Role
from muniment.mail.text.folding import halfway, plain, second_spellings
from muniment.mail.text.links import reduced

FORMAT = 5
"""Raised when the schema or the way words are cut changes; an index of another format is built anew."""
INBOX, SENT = "inbox", "sent"
TEXT_FIELDS = ("subject", "sender", "to", "cc", "bcc", "filename", "body", "link")
SPELLED_FIELD = "spelled"
ID_BITS = 31
"""The part of `order` that tells messages of one second apart."""
MAX_DATE = (1 << 33) - 1
ID_DIGITS = 16
MENTION_WEIGHT = 150
"""Bytes of the tags that an address on an envelope gets, or thereabouts."""
MAX_NAME = 1024
"""Characters of an address or folder; longer ones are no address of anybody and are not indexed."""


class Mention(Struct, frozen=True):
    """One address on one envelope of the message.

    `owner_folder` is set for a copy from an ordinary mailbox: the owner's folder it stands in, whatever
    the role; `address` is then the owner's.
    """

    role: Role
    address: str
    """Normalised (lower case)."""
    time: int
    """When the copy was journaled or received, seconds since 1970 UTC."""
    trusted: bool
    """Whether the copy is placed with this address; what is not trusted is found by from: and to: alone."""
    owner_folder: str = ""
    senders: tuple[str, ...] = ()
    """Who sent this copy, normalised, if it is trusted: they know all whom it names."""


class IndexDocument(Struct, frozen=True):
    """A message as the index takes it in."""

    id: int
    """The message's sequence in the ledger."""
    date: int
    """Sort date, seconds since 1970 UTC."""
    size: int
    attachments: int
    sha: bytes
    text: MessageText
    mentions: tuple[Mention, ...] = ()
    formers: tuple[bytes, ...] = ()
    """SHA-256 of what gave way to it: their ids lead to it as well."""
    public_size: int = 0
    """Bytes of its public form; 0 where that is not known."""


def schema() -> tantivy.Schema:
    """The fields of a shard."""
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", indexed=True, fast=True)
    for name in ("order", "size", "public", "first", "last"):
        builder.add_unsigned_field(name, fast=True)
    for name in TEXT_FIELDS:
        builder.add_text_field(name, tokenizer_name="words")
    builder.add_text_field(SPELLED_FIELD, tokenizer_name="words", index_option="basic")
    builder.add_text_field("tags", tokenizer_name="raw", index_option="basic")
    return builder.build()


def analyzer() -> tantivy.TextAnalyzer:
    """How text that went through `fold` is cut: at blanks. Words of 256 bytes and more are left out."""
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
    return builder.filter(tantivy.Filter.remove_long(256)).build()


def order_of(date: int, sequence: int) -> int:
    """The sort key of a message; later is greater."""
    return (min(max(date, 0), MAX_DATE) << ID_BITS) | (sequence & ((1 << ID_BITS) - 1))


def date_of(order: int) -> int:
    """Seconds since 1970 UTC, from a sort key."""
    return order >> ID_BITS


# --- documents ----------------------------------------------------------------------------------

_FIELD = {Role.SENDER: "from", Role.ON_BEHALF_OF: "from", Role.TO: "to", Role.CC: "cc", Role.BCC: "bcc"}


def encode(doc: IndexDocument) -> tantivy.Document:
    """The document that the index library takes in."""
    text, made = doc.text, tantivy.Document()
    made.add_unsigned("id", doc.id)
    made.add_unsigned("order", order_of(doc.date, doc.id))
    made.add_unsigned("size", max(doc.size, 0))
    made.add_unsigned("public", max(doc.public_size, 0))
    written: set[str] = set()
    for name, value in _texts(text):
        half = halfway(value)
        made.add_text(name, plain(half))
        if not half.isascii():
            written.update(spelled_term(name, word) for word in second_spellings(half))
    for link in dict.fromkeys(map(reduced, text.links)):
        made.add_text("link", plain(link))
        if not link.isascii():
            written.update(spelled_term("link", word) for word in second_spellings(link))
    if written:
        made.add_text(SPELLED_FIELD, " ".join(written))
    for tag in _tags(doc):
        made.add_text("tags", tag)
    times = [max(mention.time, 0) for mention in doc.mentions if mention.trusted]
    if times:
        made.add_unsigned("first", min(times))
        made.add_unsigned("last", max(times))
    return made


def _texts(text: MessageText) -> Iterator[tuple[str, str]]:
    """The fields of a message that are text, but for its links, and what they say."""
    heads = (("subject", text.subject), ("sender", text.sender), ("to", text.to), ("cc", text.cc))
    for name, value in (*heads, ("bcc", text.bcc)):
        if value:
            yield name, value
    for filename in text.filenames:
        yield "filename", filename
    yield "body", text.body


def spelled_term(field: str, word: str) -> str:
    """What a field's word with an umlaut is found by when it is written out."""
    return f"{field}:{word}"


_WIDE = re.compile("[^\0-\u02ff\u2000-\u2fff]")


def weight(doc: IndexDocument) -> int:
    """About how many bytes the index library is handed for it."""
    text = doc.text
    return (
        sum(_bytes(value) for _, value in _texts(text))
        + sum(map(len, text.links))
        + MENTION_WEIGHT * len(doc.mentions)
    )


def _bytes(text: str) -> int:
    # Where `fold` spaces out characters, each takes three bytes, and one for the space.
    return len(text) if text.isascii() or _WIDE.search(text) is None else 4 * len(text)


def _tags(doc: IndexDocument) -> set[str]:
    tags = {f"id:{sha.hex()[:ID_DIGITS]}" for sha in (doc.sha, *doc.formers)}
    if doc.attachments:
        tags.add("has:attachment")
    if doc.text.message_id:
        tags.add(f"msgid:{clean(doc.text.message_id)}")
    tags.update(f"ref:{clean(name)}" for name in doc.text.references)
    public = _header_tags(doc.text)
    tags |= public
    for mention in doc.mentions:
        address = clean(mention.address)
        if not address or len(address) > MAX_NAME or len(mention.owner_folder) > MAX_NAME:
            continue
        if not mention.owner_folder:
            tags.update(_envelope_tags(mention, address, public))
        if mention.trusted:
            tags.update(_place_tags(mention, address))
    return tags


def _header_tags(text: MessageText) -> set[str]:
    return {
        tag
        for field, addresses in zip(("from", "to", "cc", "bcc"), text.people, strict=False)
        for address in addresses
        for tag in _address_tags(field, clean(address))
    }


def _envelope_tags(mention: Mention, address: str, public: set[str]) -> Iterator[str]:
    """What an envelope's address is found by; what the headers do not show is kept apart."""
    field = _FIELD.get(mention.role, "to")
    if f"{field}:{address}" in public:
        return
    yield from _address_tags(field + "+", address)
    for sender in mention.senders:
        if len(sender) <= MAX_NAME:
            yield from (known_tag(clean(sender), tag) for tag in _address_tags(field, address))


def known_tag(sender: str, tag: str) -> str:
    """The tag of what a sender of a copy knows of it."""
    return f"by:{sender}\0{tag}"


def _address_tags(field: str, address: str) -> tuple[str, str]:
    return f"{field}:{address}", f"{field}:@{address.rpartition('@')[2]}"


def _place_tags(mention: Mention, address: str) -> Iterator[str]:
    folder = mention.owner_folder or _box(mention.role)
    if folder:
        yield in_tag(folder)
        base = without_tag(address)
        for name in (address,) if base == address else (address, tagged(base)):
            yield f"party:{name}"
            yield in_tag(folder, name)


def tagged(address: str) -> str:
    """What stands in place of an address in the tags of mail to it with any `+tag`."""
    return f"{address}\0+"


def _box(role: Role) -> str:
    return INBOX if role in INBOX_ROLES else SENT if role in SENT_ROLES else ""


def in_tag(folder: str, address: str = "") -> str:
    """The tag of what stands in `folder`, of anybody or of the mailbox of `address`."""
    name = clean(folder).casefold()
    return f"in:{name}\0{address}" if address else f"in:{name}"


def clean(name: str) -> str:
    """`name` without what can't be written as UTF-8."""
    return name if name.isascii() else name.encode("utf-8", "replace").decode()

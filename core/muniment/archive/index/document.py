"""The document of a message in the index: its words, and its addresses with their roles.

It has no users, and the index stores no text but names of files. Words go into text fields with positions.
Terms that are matched as a whole go into one field, `tags`:

    from:anna@example.com  from:@example.com     also to:, cc:, bcc:; from the message's own header
    from+:anna@example.com  to+: cc+: bcc+:      addresses that only an envelope has; as secret as Bcc
    by:bob@example.com\\0bcc:anna@example.com    the same, as bob knows it who sent that copy; also domains
    party:anna@example.com                       a copy is filed with the person who has this address
    in:inbox  in:inbox\\0anna@example.com         filed in a folder; in that folder of that address
    party:anna@example.com\\0+                    addressed to her with a `+tag`; also in:
    has:attachment  id:3f9a...                   the first 16 hex digits of the SHA-256
    ends:pdf                                     the name of a file ends like this
    msgid:a1@example.com  ref:a0@example.com     the Message-ID; the ids in References and In-Reply-To
    contents:waiting                             its attachments were not read yet; also read, unread

What was read in attachments is in the field `attachment`, of all files together. If several files of a
message have text, `within` has each word with the number of its file, such as `2:invoice`. The names of the
files, and why some could not be read, are in `files`, the only field that is stored.

Text fields hold words as `mail.text.folding` folds them. A word with an umlaut is also in the field
`spelled`, written out with its field, such as `body:mueller` (see there).

`order` is date and id in one number; results are sorted, paged and bounded by it. `first` and `last` bound
the times of trusted mentions. They decide whose mail it is if an address was moved between people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
import tantivy

from muniment.archive.index.model import AttachmentState, ContentsState, IndexDocument, IndexMention
from muniment.contents.kinds import may_have_text
from muniment.contents.model import ReadFile
from muniment.mail.headers.addresses import without_tag
from muniment.mail.model import INBOX_ROLES, SENT_ROLES, AddressRole, MessageText
from muniment.mail.text.folding import halfway, plain, second_spellings
from muniment.mail.text.links import reduced

FORMAT = 7
"""Increased when the schema or the cutting of words changes; an index of another format is rebuilt."""
INBOX, SENT = "inbox", "sent"
TEXT_FIELDS = ("subject", "sender", "to", "cc", "bcc", "filename", "body", "link", "attachment")
WITHIN_FIELD, FILES_FIELD = "within", "files"
SPELLED_FIELD = "spelled"
ID_BITS = 31
"""Bits of `order` that hold the id, which orders messages of the same second."""
MAX_DATE = (1 << 33) - 1
ID_DIGITS = 16
MENTION_WEIGHT = 150
"""Estimated bytes of the tags for one address on an envelope."""
LONGEST_END = 16
"""Most characters of the end of a file's name."""
MAX_NAME = 1024
"""Most characters of an address or folder; longer ones are not real and are not indexed."""


def schema() -> tantivy.Schema:
    """Return the schema of a shard."""
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", indexed=True, fast=True)
    for name in ("order", "size", "public", "first", "last"):
        builder.add_unsigned_field(name, fast=True)
    for name in TEXT_FIELDS:
        builder.add_text_field(name, tokenizer_name="words")
    builder.add_text_field(SPELLED_FIELD, tokenizer_name="words", index_option="basic")
    builder.add_text_field(WITHIN_FIELD, tokenizer_name="words", index_option="basic")
    builder.add_bytes_field(FILES_FIELD, stored=True)
    builder.add_text_field("tags", tokenizer_name="raw", index_option="basic")
    return builder.build()


def analyzer() -> tantivy.TextAnalyzer:
    """Return the analyzer for folded text: it cuts at blanks, and drops words of 256 bytes and more."""
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
    return builder.filter(tantivy.Filter.remove_long(256)).build()


def order_of(date: int, sequence: int) -> int:
    """Return the sort key of a message: a later date makes it greater, then a greater sequence."""
    return (min(max(date, 0), MAX_DATE) << ID_BITS) | (sequence & ((1 << ID_BITS) - 1))


def date_of(order: int) -> int:
    """Return the date in a sort key, in seconds since 1970 UTC."""
    return order >> ID_BITS


# --- documents ----------------------------------------------------------------------------------

_FIELD = {
    AddressRole.SENDER: "from",
    AddressRole.ON_BEHALF_OF: "from",
    AddressRole.TO: "to",
    AddressRole.CC: "cc",
    AddressRole.BCC: "bcc",
}


def encode(doc: IndexDocument) -> tantivy.Document:
    """Make the index library's document of a message."""
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
    written.update(_add_contents(made, doc.contents or ()))
    if written:
        made.add_text(SPELLED_FIELD, " ".join(written))
    for tag in _tags(doc):
        made.add_text("tags", tag)
    times = [max(mention.time, 0) for mention in doc.mentions if mention.trusted]
    if times:
        made.add_unsigned("first", min(times))
        made.add_unsigned("last", max(times))
    return made


def _add_contents(made: tantivy.Document, files: Sequence[ReadFile]) -> Iterator[str]:
    """Add what was read in attachments; yields the terms of words that are written out."""
    if files:
        made.add_bytes(
            FILES_FIELD,
            _listing.encode(
                [AttachmentState(clean(file.name), file.why, bool(file.text), file.number) for file in files]
            ),
        )
    several = sum(1 for file in files if file.text) > 1
    for number, file in enumerate(files):
        if not file.text:
            continue
        made.add_text("attachment", file.text)
        if several:
            words = {*file.text.split(), *file.spelled}
            made.add_text(WITHIN_FIELD, " ".join(within_term(number, word) for word in words))
        yield from (spelled_term("attachment", word) for word in file.spelled)


_listing = msgspec.msgpack.Encoder()


def within_term(number: int, word: str) -> str:
    """Return the term in the field `within` for a word of the file with a number."""
    return f"{number}:{word}"


def contents_of(stored: bytes) -> tuple[AttachmentState, ...]:
    """Return what the field `files` says about the attachments of a message."""
    return msgspec.msgpack.decode(stored, type=tuple[AttachmentState, ...])


def _texts(text: MessageText) -> Iterator[tuple[str, str]]:
    """Yield name and text of each text field, except for links."""
    heads = (("subject", text.subject), ("sender", text.sender), ("to", text.to), ("cc", text.cc))
    for name, value in (*heads, ("bcc", text.bcc)):
        if value:
            yield name, value
    for filename in text.filenames:
        yield "filename", filename
    yield "body", text.body


def spelled_term(field: str, word: str) -> str:
    """Return the term in the field `spelled` for a word that is written out."""
    return f"{field}:{word}"


_WIDE = re.compile("[^\0-\u02ff\u2000-\u2fff]")


def weight(doc: IndexDocument) -> int:
    """Estimate how many bytes the index library gets for a document."""
    text = doc.text
    return (
        sum(_bytes(value) for _, value in _texts(text))
        + sum(map(len, text.links))
        + sum(2 * len(file.text) for file in doc.contents or ())
        + MENTION_WEIGHT * len(doc.mentions)
    )


def _bytes(text: str) -> int:
    # `fold` puts spaces between characters of some scripts: each takes three bytes, and one for the space.
    return len(text) if text.isascii() or _WIDE.search(text) is None else 4 * len(text)


def _tags(doc: IndexDocument) -> set[str]:
    tags = {f"id:{sha.hex()[:ID_DIGITS]}" for sha in (doc.sha, *doc.formers)}
    if doc.attachments:
        tags.add("has:attachment")
    tags.update(f"ends:{end}" for end in map(file_end, doc.text.filenames) if end)
    if state := contents_state(doc):
        tags.add(f"contents:{state}")
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


def contents_state(doc: IndexDocument) -> ContentsState | None:
    """Return how far the attachments of a message were read; None if it has none that may have text."""
    if doc.contents is None:
        return "waiting" if may_have_text(doc.attachments, doc.text.filenames) else None
    return "unread" if any(file.why for file in doc.contents) else "read"


def file_end(name: str) -> str:
    """Return the end of a file's name behind its last dot, such as `pdf`; "" if it has none."""
    _, dot, end = name.rstrip().rpartition(".")
    return end.casefold() if dot and end.isalnum() and len(end) <= LONGEST_END else ""


def _header_tags(text: MessageText) -> set[str]:
    return {
        tag
        for field, addresses in zip(("from", "to", "cc", "bcc"), text.people, strict=False)
        for address in addresses
        for tag in _address_tags(field, clean(address))
    }


def _envelope_tags(mention: IndexMention, address: str, public: set[str]) -> Iterator[str]:
    """Yield the tags of an address on an envelope, except for those that the header has already."""
    field = _FIELD.get(mention.role, "to")
    if f"{field}:{address}" in public:
        return
    yield from _address_tags(field + "+", address)
    for sender in mention.senders:
        if len(sender) <= MAX_NAME:
            yield from (known_tag(clean(sender), tag) for tag in _address_tags(field, address))


def known_tag(sender: str, tag: str) -> str:
    """Return a tag that is only for the sender of a copy."""
    return f"by:{sender}\0{tag}"


def _address_tags(field: str, address: str) -> tuple[str, str]:
    return f"{field}:{address}", f"{field}:@{address.rpartition('@')[2]}"


def _place_tags(mention: IndexMention, address: str) -> Iterator[str]:
    folder = mention.owner_folder or _box(mention.role)
    if folder:
        yield in_tag(folder)
        base = without_tag(address)
        for name in (address,) if base == address else (address, tagged(base)):
            yield f"party:{name}"
            yield in_tag(folder, name)


def tagged(address: str) -> str:
    """Return what replaces an address in the tags of mail to that address with any `+tag`."""
    return f"{address}\0+"


def _box(role: AddressRole) -> str:
    return INBOX if role in INBOX_ROLES else SENT if role in SENT_ROLES else ""


def in_tag(folder: str, address: str = "") -> str:
    """Return the tag of messages in `folder`, of any person or of the person with `address`."""
    name = clean(folder).casefold()
    return f"in:{name}\0{address}" if address else f"in:{name}"


def clean(name: str) -> str:
    """Replace characters of `name` that can't be encoded as UTF-8."""
    return name if name.isascii() else name.encode("utf-8", "replace").decode()

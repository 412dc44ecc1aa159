"""No text of a server, an SMTP client, a file of mail or a user takes more than n log n time.

tests/mail/test_growth.py has the same for the text of a mail.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import pytest

from muniment.archive.query import highlight, nodes, reading, writing
from muniment.errors import MunimentError
from muniment.gateway import envelope, session, unstuff
from muniment.net import server_text
from muniment.people import importer
from muniment.people.directory import Directory
from muniment.sources import folders, passing, received
from muniment.sources.base import MailPlace
from muniment.sources.endpoint import ImapEndpoint
from muniment.sources.ews import mime_reader
from muniment.sources.files import base, containers, mbox_scan, naming, separator
from muniment.sources.graph import answers
from muniment.sources.imap import client, namespaces, text, tree
from muniment.sources.pop3 import connection, source
from support.growth import MAKERS, Make, functions, repeated, too_steep

pytestmark = pytest.mark.slow
SHORT, LONG = 2 * 1024, 512 * 1024
ENDPOINT = ImapEndpoint(
    kind="imap", host="mail.example.com", work=Path("/nowhere"), mailbox="anna@example.com", password="secret"
)
PIECES: dict[str, bytes] = {
    "flags": b"FLAGS (",
    "UIDs": b"UID ",
    "rows": b"1 (UID 1 RFC822.SIZE 5 FLAGS ())\r\n",
    "sizes": b"RFC822.SIZE 9",
    "labels": b"X-GM-LABELS (",
    "bodies": b'UID 1 BODY[] "',
    "literals": b"{1}",
    "open literals": b"{1",
    "ranges": b"ALL 1:2,",
    "listed folders": b'() "/" "a"\r\n',
    "levels": b"a/",
    "dots": b"a.",
    "shifted names": b"&AAA-",
    "open shifts": b"&A",
    "namespaces": b'("a." ".")',
    "keys": b"1 a\r\n",
    "separators": b"From a@b Thu Jan  1 00:00:00 1970\n",
    "separators and fields": b"\nFrom a@b Thu Jan  1 00:00:00 1970\nTo: a\n",
    "almost separators": b"\nFrom a@b Thu\n",
    "attached separators": b"\n--b1\n\nFrom a@b Thu Jan  1 00:00:00 1970\n",
    "bare separators": b"\n\nFrom \nTo: a\n",
    "lengths": b"Content-Length: 9\n",
    "options": b" SIZE=1",
    "paths": b"TO:<",
    "quoted paths": b'TO:<"a\\',
    "person's extensions": b"a+b=c@",
    "stuffed lines": b"\r\n..",
    "ends of messages": b"\r\n.\r\n",
    "elements": b"<a>",
    "attributes of elements": b' a="b"',
    "JSON": b'{"a":[',
    "words of 50 letters": b"x" * 50 + b" ",
    "parentheses and words": b"(a ",
    "terms": b"from:a OR -b ",
}  # fmt: skip
ALL: dict[str, Make] = MAKERS | {name: repeated(piece) for name, piece in PIECES.items()}


def answered(value: bytes) -> list[list[Any]]:
    """The value as imaplib gives answers: whole, in lines, and with literals."""
    pairs = [(value[at : at + 8], value[at + 8 : at + 16]) for at in range(0, len(value), 16)]
    return [[value], value.splitlines(), [(value + b" {5}", value), b")"], [*pairs, b")"], pairs]


def read_imap(value: bytes) -> None:
    """Read the value as the answers of an IMAP server."""
    for data in answered(value):
        text.read_list(data)
        list(text.read_rows(data))
        list(text.read_bodies(data))
        text.words(data)
        with suppress(ValueError):
            text.read_found(data, [])
        with suppress(ValueError):
            text.read_found([], data)
    with suppress(ValueError):
        text.read_found([], [b"ALL " + value])
    list(text.read_rows([b"1 (UID 1 RFC822.SIZE 1 X-GM-LABELS (" + value]))
    list(text.read_rows([b"1 (UID 1 RFC822.SIZE 1 X-GM-LABELS (" + value + b"))"]))
    client.reason(client.ImapClient.error(value))
    client.reason(client.ImapClient.error(b"* BYE " + value))
    client.reason(client.ImapClient.error(f"x command error: BAD {[value]}"))
    text.quoted(value.decode("utf-8", "replace"))
    text.encode_folder(value.decode("utf-8", "replace"))
    text.uid_set(value)
    namespaces.prefixes(namespaces.read_namespaces(value), shared=True)
    namespaces.own_prefix(namespaces.read_namespaces(b'(("' + value))


def read_folders(value: bytes) -> None:
    """Read the value as the names of folders."""
    spaces = namespaces.read_namespaces(b'(("INBOX." ".")) (("user." ".")) (("#public/" "/"))')
    names = [value[:9_000], b"user." + value, b"INBOX." + value, b"#public/" + value, *value.split()[:300]]
    for delimiter in (b'"/"', b'"."', b"NIL"):
        opening = b"(\\Flagged) " + delimiter + b" "
        listed = text.read_list([opening + text.quoted_bytes(one) for one in names])
        for known in (spaces, []):
            located = namespaces.locate(listed, known)
            tree.is_gmail(frozenset(), located)
            choice = folders.FolderChoice(("*a*a*", "*x?*b", "@sent"))
            tree.remarks(ENDPOINT, tree.choose(ENDPOINT, choice, located, frozenset()))
    for name in (value, b"user." + value, b"#public/" + value):
        place = MailPlace("mail.example.com", "anna@example.com", name.decode("utf-8", "replace"))
        tree.not_emptied(ENDPOINT, tree.owned(place, ENDPOINT, text.unlisted(name), spaces))
    written = value.decode("utf-8", "replace")
    for level in ("/", ".", ""):
        levels = text.split_levels(written, level)
        text.use_of(frozenset(levels), levels)
        one = folders.MailFolder(levels)
        folders.FolderChoice(("*a*a*b", "*/*")).wants(one, one.above)
        folders.existing([one])
        folders.no_match("mail.example.com", [written], [one])
    folders.levels(written)
    folders.levels(written + "\\")
    folders.use_by_name([written])


def read_pop3(value: bytes) -> None:
    """Read the value as a listing by POP3."""
    for lines in (value.split(b"\r\n"), [value], [b"1 " + value]):
        for read in (source.listed_keys, source.listed_sizes):
            with suppress(ValueError):
                list(read(lines))
    connection.judge(ENDPOINT, connection.Pop3Refused(value.decode("utf-8", "replace")), login=True)


def read_refusal(value: bytes) -> None:
    """Read the value as the refusal of any server."""
    server_text.quote(ENDPOINT, value)
    server_text.one_line(value.decode("utf-8", "replace"))
    with suppress(MunimentError, answers.TokenExpired):
        answers.check(400, {"Retry-After": value.decode("latin-1")}, value)
    with suppress(MunimentError, answers.TokenExpired):
        answers.check(403, {}, b'{"error": {"code": "' + value + b'"}}')
    answers.code_in(value)
    with suppress(MunimentError), answers.understood(ENDPOINT):
        raise KeyError(value)


def read_soap(value: bytes) -> None:
    """Read the value as an answer of Exchange, and within one."""
    for answer in (
        value,
        b"<a>" + value,
        b"<a " + value,
        b"<a><MimeContent>" + value + b"</MimeContent></a>",
        b"<a><MimeContent>" + value.replace(b"<", b"&lt;") + b"</MimeContent></a>",
    ):
        reader = mime_reader.MimeReader(Path("/nowhere"))
        with suppress(mime_reader.NotXml):
            reader.feed(answer)
            reader.close()
        reader.discard()


def read_command(value: bytes) -> None:
    """Read the value as what a client sends to the gateway."""
    written = value.decode("utf-8", "surrogateescape")
    for argument in (written, f"TO:<{written}", f"TO:<{written}>", f"TO:<a@b> {written}", f'TO:<"{written}'):
        envelope.without_options(argument, ("ORCPT",))
        session._declared(argument)
        session._chunk(argument)
    session.printable(written)
    mailboxes = envelope.AcceptedMailboxes(["journal@archive.example"], "mx.example", any_recipient=True)
    found = [mailboxes.recipient(one) for one in (written, f"journal+{written}@archive.example", "a@b")]
    envelope.facts(written, [one for one in found if one])
    stream = unstuff.DotUnstuffer()
    for at in range(0, len(value), 100):
        stream.feed(value[at : at + 100])


def in_file(value: bytes) -> BinaryIO:
    """A file with the value, in memory."""
    file = os.fdopen(os.memfd_create("growth"), "r+b", buffering=0)
    file.write(value)
    file.seek(0)
    return io.BufferedRandom(file)


def read_files(value: bytes) -> None:
    """Read the value as files of mail, and as their names."""
    start = b"From a@b Thu Jan  1 00:00:00 1970\n"
    for content in (value, start + value, start + b"To: a\n\n" + value):
        with in_file(content) as file:
            mbox_scan.is_mbox(file)
            for span in list(mbox_scan.spots(file, 4096))[:10]:
                mbox_scan.is_whole(file, span.start, span.end)
    framed = b"%d\n" % (len(value) // 2) + value
    for content, is_framed in ((value, False), (framed, True), (b"\xff\xfe" + value, False)):
        with in_file(content) as file:
            found = containers.find_mail(file, is_framed)
            if isinstance(found, containers.ContainedMail):
                for _ in containers.pieces(file, found):
                    pass
    for line in (value, value[: separator.LONGEST], b"From " + value[:900]):
        separator.separator(line)
        separator.is_bare(line)
        separator.is_field(line)
    name = value.decode("utf-8", "surrogateescape")
    naming.reason_by_name(name)
    naming.folder_title(name)
    naming.maildir_title(name)
    naming.maildir_title("." + name)
    base.name_of(base.key_of(name))
    passing.readable(name)
    received.of_instant(name)
    received.of_maildir(name, Path(os.devnull).stat())


def read_query(value: bytes) -> None:
    """Read the value as a search, and as a CSV file of users."""
    written = value.decode("utf-8", "replace")
    for query in (written, written[: reading.MAX_QUERY], f"from:({written[:900]})", f'"{written[:900]}"'):
        with suppress(MunimentError):
            node = reading.parse(query)
            writing.unparse(node)
            highlight.highlight_terms(node)
            nodes.negate(nodes.both([node, nodes.either([node, node])]))
    with suppress(MunimentError):
        importer.import_csv(importer.decode(b"name,address\n" + value), Directory())


READERS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (
        read_imap,
        read_folders,
        read_pop3,
        read_refusal,
        read_soap,
        read_command,
        read_files,
        read_query,
    )
}
MODULES = (
    *(reading, writing, highlight, nodes, importer, envelope, session, unstuff, server_text),
    *(folders, passing, received, base, containers, mbox_scan, naming, separator, answers, mime_reader),
    *(client, namespaces, text, tree, connection, source),
)
"""The modules that read text of servers, clients, files and users."""
NOT_READ = {
    "sources.files.base.open_plain": "opens a file",
    "sources.files.base.plain_names": "lists a folder",
    "sources.files.base.remove": "takes items that were read",
    "sources.files.base.stamp_of": "takes a state of the system",
    "sources.files.base.unreadable": "takes an error of the system",
    "sources.passing.unreadable_file": "takes an error of the system",
    "sources.passing.unreadable_folder": "takes an error of the system",
    "sources.received.at": "takes numbers",
    "sources.imap.client.connected": "connects",
    "sources.imap.client.translated": "takes errors of a library",
}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("size", [SHORT, pytest.param(LONG, marks=pytest.mark.soak)])
def test_time_does_not_grow_with_the_square_of_a_text(reader: str, size: int) -> None:
    found = {name: too_steep(READERS[reader], make, size) for name, make in ALL.items()}
    assert not {name: measured for name, measured in found.items() if measured}


def test_every_public_function_that_reads_text_from_outside_is_measured() -> None:
    called: set[object] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        called.add(frame.f_code)

    sys.setprofile(note)
    try:
        for reader in READERS.values():
            for value in (b"a b", b"From a@b Thu Jan  1 00:00:00 1970\nTo: a\n\nb\n", PIECES["rows"]):
                reader(value)
    finally:
        sys.setprofile(None)
    public = {name: function for module in MODULES for name, function in functions(module)}
    missing = {name for name, function in public.items() if function.__code__ not in called}
    assert missing == set(NOT_READ), "call them in a reader, or give the reason in NOT_READ"

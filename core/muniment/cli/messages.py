"""Commands that find and read mail: tree, list, search, show, export."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from muniment.api import (
    Chunk,
    EnvelopeWord,
    Export,
    GetTree,
    Hits,
    ListMessages,
    Message,
    ReadAttachment,
    ReadRaw,
    Search,
    Show,
    Step,
    Tree,
)
from muniment.cli.answers import show_hits, streaming, work
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.complete_names import queries as known_queries
from muniment.cli.complete_names import users
from muniment.cli.layout.list_columns import chosen_columns, columns_option
from muniment.cli.layout.signature_lines import signature_sentences
from muniment.cli.output import complain, plain
from muniment.cli.retention.hold_json import cover_words, held_as_json
from muniment.errors import UsageError
from muniment.system.environment import absolute
from muniment.system.formatting import count, iso, local, size
from muniment.system.paths import as_text

FORMS = ("dat", "csv", "edrm", "gobd")
"""The forms of productions."""
INDENT = 12
"""Width of the names beside the values that `show` prints."""
TABLE = 100
"""Widest table of HTML that is drawn, in columns of the terminal."""
LIMIT = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Show at most this many."
)
AFTER = click.option("--after", default="", metavar="PLACE", help="Continue where an earlier page ended.")
USER = click.option(
    "--user",
    default="",
    metavar="USER",
    shell_complete=users,
    help="Only messages in this user's folders.",
)
REASON = click.option(
    "--reason", default="", metavar="TEXT", help="Why you read another person's mail, for the audit trail."
)


@click.command(cls=VaultCommand)
@pass_session
def tree(session: CommandSession) -> None:
    """Show users, their folders, and the number of messages in each.

    \b
    Example:
      muniment tree
    """
    show_tree(session, session.ask(GetTree(), Tree))


def show_tree(session: CommandSession, answer: Tree) -> None:
    """Print users and folders as text, or as JSON with --json."""
    if session.json:
        session.out.json(tree_as_json(answer))
        return
    for user in answer.users:
        session.out.line(f"{user.user}  ({user.name})" if user.name else user.user)
        for folder in user.folders:
            session.out.line(f"  {folder.name:<20} {count(folder.count):>12}")
    if not answer.users:
        session.out.line("No mail yet: `muniment run` fetches it.")


def tree_as_json(answer: Tree) -> list[dict[str, object]]:
    """The tree as `tree --json` prints it."""
    return [
        {"user": user.user, "folders": [plain(folder) for folder in user.folders]} for user in answer.users
    ]


@click.command("list", cls=VaultCommand)
@click.argument("place", metavar="USER/FOLDER")
@LIMIT
@AFTER
@columns_option()
@REASON
@pass_session
def list_(session: CommandSession, place: str, limit: int, after: str, columns: str, reason: str) -> None:
    """List a folder, newest first.

    USER is any address of the user, or catch-all. `muniment tree` lists the
    folders. Dates are in your time zone (TZ). A table is as wide as the
    terminal; in files and pipes nothing is cut.

    \b
    Example:
      muniment list ada@example.com/Inbox --limit 20
      muniment list ada@example.com/Sent --columns date,to,subject
    """
    chosen = chosen_columns(session, columns)
    user, folder = split_place(place)
    request = ListMessages(user=user, folder=folder, limit=limit, after=after, reason=reason)
    show_hits(session, session.ask(request, Hits), chosen)


def split_place(place: str) -> tuple[str, str]:
    """Split USER/FOLDER at the first slash after the address.

    Both a folder's name and the part of an address before its `@` can contain slashes.

    Raises:
        UsageError: There is no user or no folder.
    """
    at = place.find("/", place.find("@") + 1)
    user, folder = (place[:at], place[at + 1 :]) if at > 0 else (place, "")
    if not user or not folder:
        raise UsageError(f"{place} names no folder: write USER/FOLDER, such as ada@example.com/Inbox.")
    return user, folder


@click.command(cls=VaultCommand)
@click.argument("query", nargs=-1, required=True, shell_complete=known_queries)
@USER
@LIMIT
@AFTER
@click.option("--by-relevance", is_flag=True, help="Best matches first, instead of newest first.")
@columns_option()
@REASON
@pass_session
def search(
    session: CommandSession,
    query: tuple[str, ...],
    user: str,
    limit: int,
    after: str,
    by_relevance: bool,
    columns: str,
    reason: str,
) -> None:
    """Find messages.

    \b
    Words, "phrases", -excluded, OR, and
      from: to: cc: bcc: subject: body: filename: link:    only there
      attachment:               name of a file, or text inside it
      has:attachment  has:unreadable                 contents
      in:inbox  in:sent  user:ADDR                   folder, person
      before: after: on: DATE  between:DATE..DATE    date
      between:PERSON,PERSON    mail of two people with each other
      larger: smaller: SIZE                          size
      id:HEX  msgid:ID  thread:HEX                   one message, a conversation
      invoi*  *bill  hand*work  from:anna@           parts of words
      in:"Project \\"X\\""                           a quote within quotes

    Only user: and --user find all addresses of a person. Put `--` before a
    query that begins with a minus. A DATE is a day (2025-01-31), a month, a
    year, today, or 7d, 2w, 3m, 1y ago. Days begin in your time zone (TZ), in
    which dates are shown as well.

    \b
    Example:
      muniment search 'from:ada "annual report" after:2025-01-01'
    """
    chosen = chosen_columns(session, columns)
    request = Search(
        query=" ".join(query), user=user, limit=limit, after=after, by_relevance=by_relevance, reason=reason
    )
    show_hits(session, session.ask(request, Hits), chosen)


# --- one message ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShowChoice:
    """Which part of a message `show` prints; all False or None for the usual summary."""

    raw: bool
    report: int | None
    attachment: int | None
    headers: bool
    text: bool

    def check(self, json: bool) -> None:
        """Check that the options go together.

        Raises:
            UsageError: More than one part is asked for, or exact bytes as JSON.
        """
        numbered = self.report is not None, self.attachment is not None
        if sum((self.raw, *numbered, self.headers, self.text)) > 1:
            raise UsageError("Choose only one of --raw, --report, --attachment, --headers and --text.")
        if json and (self.raw or any(numbered)):
            raise UsageError("Exact bytes can't be printed as JSON: leave out --json.")


@click.command(cls=VaultCommand)
@click.argument("id")
@click.option("--raw", is_flag=True, help="Print its exact bytes.")
@click.option("--report", type=click.IntRange(min=1), metavar="N", help="Print its Nth report, exact bytes.")
@click.option(
    "--attachment", type=click.IntRange(min=1), metavar="N", help="Print its Nth attachment, decoded."
)
@click.option("--headers", is_flag=True, help="Print all its headers, as they were sent.")
@click.option("--text", is_flag=True, help="Print only its text.")
@REASON
@pass_session
def show(
    session: CommandSession,
    id: str,
    raw: bool,
    report: int | None,
    attachment: int | None,
    headers: bool,
    text: bool,
    reason: str,
) -> None:
    """Show a message.

    ID is the message's id, or at least the first 8 digits of it. Without an
    option, prints its headers, text and attachments, and each report that
    brought it. Exact bytes go to a file or a pipe; on a terminal they are made
    harmless.

    \b
    Example:
      muniment show 3f7a91c20b44
      muniment show 3f7a91c20b44 --raw > message.eml
      muniment show 3f7a91c20b44 --attachment 1 > plan.pdf
    """
    wanted = ShowChoice(raw, report, attachment, headers, text)
    wanted.check(session.json)
    if raw or report is not None:
        what = "message" if report is None else "report"
        write_raw(session, ReadRaw(id=id, what=what, report=report or 0, reason=reason))
    elif attachment is not None:
        write_raw(session, ReadAttachment(id=id, number=attachment, reason=reason))
    elif headers:
        _show_headers(session, id, reason)
    else:
        width = 0 if session.json else min(session.out.width, TABLE)
        _show_message(session, session.ask(Show(id=id, reason=reason, width=width), Message), text_only=text)


def write_raw(session: CommandSession, request: ReadRaw | ReadAttachment) -> None:
    """Print the exact bytes that a request asks for; a note says if a terminal changed them."""
    for data in _chunks(session, request):
        session.out.raw(data)
    session.out.flush()
    if session.out.terminal:
        complain("Made harmless for the terminal: write to a file with > FILE to get the exact bytes.")


def _chunks(session: CommandSession, request: ReadRaw | ReadAttachment) -> Iterator[bytes]:
    with streaming(session, request) as words:
        for word in words:
            if isinstance(word, Chunk):
                yield word.data
            elif isinstance(word, Step):
                complain(f"Note: {word.text}.")


def _show_headers(session: CommandSession, id: str, reason: str) -> None:
    text = b"".join(_chunks(session, ReadRaw(id=id, what="headers", reason=reason))).decode(
        "utf-8", "replace"
    )
    if session.json:
        session.out.json({"id": id, "headers": text})
    else:
        session.out.block(text.rstrip("\r\n"))


def _show_message(session: CommandSession, message: Message, text_only: bool) -> None:
    out = session.out
    if session.json:
        shown = {"id": message.id, "text": message.text} if text_only else message_as_json(message)
        out.json(shown)
        return
    if text_only:
        out.passage(message.drawn or message.text)
        return
    for name, value in message.headers:
        out.prose(f"{name + ':':<12}{value}", INDENT)
    out.line()
    out.passage(message.drawn or message.text)
    out.line()
    for number, file in enumerate(message.attachments, start=1):
        where = f", in {file.within}" if file.within else ""
        about = f"({file.content_type}, {size(file.size)}{where})"
        out.line(f"Attachment  {number}. {file.filename or 'without a name'} {about}")
        if file.unread:
            out.prose(f"{'':<{INDENT}}its text could not be read: {file.unread}", INDENT)
    for note in message.notes:
        out.prose(f"Note        {note}", INDENT)
    for one in message.holds:
        out.prose(f"Hold        {cover_words(one)}", INDENT)
    for sentence in signature_sentences(message):
        out.prose(f"Signature   {sentence}", INDENT)
    for folder in message.folders:
        out.line(f"Folder      {folder}")
    out.line(f"ID          {message.id}")
    for envelope in message.envelopes:
        _show_envelope(session, envelope)


def _show_envelope(session: CommandSession, envelope: EnvelopeWord) -> None:
    kind = "Report" if envelope.report else "Copy"
    facts = [f"{kind} {envelope.number}", local(envelope.time), size(envelope.size)]
    session.out.line(", ".join((*facts, f"by {envelope.profile}", *envelope.flags)))
    for role, address, via in envelope.parties:
        reached = f" (by {via})" if via else ""
        session.out.line(f"  {role:<14}{address}{reached}")


def message_as_json(message: Message) -> dict[str, object]:
    """A message as `show --json` prints it: dates in ISO 8601, parties with named fields."""
    envelopes = []
    for envelope in message.envelopes:
        parties = [{"role": role, "address": address, "via": via} for role, address, via in envelope.parties]
        envelopes.append(plain(envelope) | {"time": iso(envelope.time), "parties": parties})
    fields: dict[str, object] = plain(message)
    for drawn in ("drawn", "styles"):
        del fields[drawn]
    headers = [{"name": name, "value": value} for name, value in message.headers]
    fields["judged"] = iso(message.judged) if message.judged else None
    times = ("signed", "expires", "asked")
    fields["signatures"] = [
        plain(word) | {name: _iso(getattr(word, name)) for name in times} for word in message.signatures
    ]
    holds = [held_as_json(one) for one in message.holds]
    return fields | {
        "date": iso(message.date), "headers": headers, "envelopes": envelopes, "holds": holds
    }  # fmt: skip


def _iso(time: int | None) -> str | None:
    return None if time is None else iso(time)


@click.command(cls=VaultCommand)
@click.argument("query")
@click.option(
    "--to",
    "path",
    type=click.Path(),
    metavar="PATH",
    required=True,
    help="A folder for .eml files, or a .mbox or .zip file.",
)
@click.option(
    "--form",
    type=click.Choice(FORMS),
    help="Write a production of this form: numbered documents with load files.",
)
@click.option(
    "--bates",
    default="",
    metavar="PREFIX",
    help="With --form: the prefix of the documents' numbers, which go on over productions.",
)
@USER
@REASON
@pass_session
def export(
    session: CommandSession, query: str, path: str, form: str | None, bates: str, user: str, reason: str
) -> int:
    """Write the messages that a query finds to files, with a manifest.

    If PATH ends in .mbox or .zip, it is a file of that kind; otherwise it is a
    folder of .eml files. The manifest has the hash and the envelopes of each
    message; envelopes are the evidence of Bcc recipients and list members.

    With --form it is a production for a court (dat, csv, edrm) or a German tax
    office (gobd), for auditors and administrators: each message and each
    attachment is a document with a Bates number, its text, and its fields in a
    load file.

    \b
    Example:
      muniment export 'user:ada@example.com before:2024-01-01' --to ada.zip
      muniment export 'invoice' --form dat --bates ABC- --to case8.zip
    """
    if bates and not form:
        raise UsageError("--bates numbers the documents of a production: give --form, too.")
    where = absolute(path)
    request = Export(query=query, path=as_text(where), user=user, reason=reason, form=form or "", bates=bates)
    try:
        return work(session, request, into=where)
    except KeyboardInterrupt:
        complain("An incomplete export leaves nothing behind.")
        raise


COMMANDS = (tree, list_, search, show, export)

"""One IMAP session by imaplib, with what imaplib lacks: certificate pins, quoting, bounded literals."""

from __future__ import annotations

import base64
import imaplib
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from muniment.errors import CertificateRefused, LoginRefused, SourceError
from muniment.sources import tls
from muniment.sources.base import SPOOL_ABOVE
from muniment.sources.endpoint import Endpoint, LoggedIn
from muniment.sources.folders import Use, use_by_name
from muniment.sources.limits import FOLDER_LIST, SHORT_ANSWER, Pace, require_believable, too_much
from muniment.sources.network import dial, lost
from muniment.sources.oauth import Tokens, sasl
from muniment.sources.received import at
from muniment.sources.retry import Passing

_LASTING = ("BYE", "READ-ONLY", "PREAUTH")
"""What an untagged response says of the session or the folder, not of one command."""
_PASSING_CODES = ("UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "THROTTLED")
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_UID = re.compile(rb"\bUID (\d{1,10})\b")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,20})")
LARGEST_SIZE = 2**53
"""The most bytes that a stated size may say; larger ones are nonsense and count as this."""
LINE_OF_A_MESSAGE = 4096
"""Bytes that a list may have for each message: flags of any kind, and what others change meanwhile."""
_LONGEST_LINE = 1_000_000
_RECEIVE = 256 * 1024
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_DATE = re.compile(rb'\bINTERNALDATE "([ \d]\d)-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')
_LISTED = re.compile(
    rb'\(([^)]*)\) (?:"((?:[^"\\]|\\.)*)"|NIL) (?:"((?:[^"\\]|\\.)*)"|([^ ]+))', re.IGNORECASE | re.DOTALL
)
_NOT_SELECTABLE = {"\\noselect", "\\nonexistent"}
_USES = {
    "\\sent": Use.SENT,
    "\\drafts": Use.DRAFTS,
    "\\junk": Use.JUNK,
    "\\trash": Use.DELETED,
    "\\archive": Use.ARCHIVE,
    "\\all": Use.ALL,
}
"""Special uses of folders (RFC 6154, 2)."""
_SHORT_BODY = re.compile(rb'\bBODY\[\](?:<\d+>)? "((?:[^"\\]|\\.)*)"')


class Oversized(Exception):
    """The server sends far more than it announced: more than may be held in memory."""


class Row(NamedTuple):
    """One message of a listing."""

    uid: int
    size: int
    flags: tuple[str, ...]
    date: int | None


class Listed(NamedTuple):
    """A folder that can be selected, as LIST names it."""

    name: str
    """As the server writes it, modified UTF-7 undone where it can be."""
    levels: tuple[str, ...]
    use: Use
    raw: bytes
    """The name as it goes over the line, whatever it is."""


class NoFolder(SourceError):
    """A folder can't be opened: it may have been renamed or deleted."""


class Selected(NamedTuple):
    """A folder as SELECT found it."""

    exists: int
    uidvalidity: str
    read_only: bool
    state: str = ""
    """What changes whenever anything in the folder does (CONDSTORE, RFC 7162); "" where none is stated."""


class _Client(imaplib.IMAP4):
    """imaplib on our own sockets, with a bound on what each answer may have.

    Raises Oversized rather than read an answer that memory can't take.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._received = bytearray()
        self._chunk = memoryview(bytearray(_RECEIVE))
        self._pace = Pace(endpoint)
        self._room = self._next_room = SHORT_ANSWER
        super().__init__(endpoint.host, endpoint.port_number, endpoint.timeout)

    def allow(self, most: int) -> None:
        """The next command's answer may have `most` bytes and a short answer's besides."""
        self._next_room = most + SHORT_ANSWER

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return dial(self._endpoint)

    def _command(self, name: str, *args: Any) -> bytes:
        self._room, self._next_room = self._next_room, SHORT_ANSWER
        self._pace.begin()
        # What was said before, unasked or ahead of TLS, is no answer to this, and would pile up.
        kept = {kind: said for kind, said in self.untagged_responses.items() if kind in _LASTING}
        self.untagged_responses = kept
        tag: bytes = super()._command(name, *args)  # type: ignore[misc]  # imaplib has no other seam
        return tag

    def starttls(self, ssl_context: Any = None) -> Any:
        """STARTTLS (RFC 9051, 6.2.1): nothing that was said before it is believed after it."""
        answer = self._simple_command("STARTTLS")
        if answer[0] != "OK":
            raise self.error("STARTTLS is refused")
        if self._received:
            raise SourceError(
                f"{self._endpoint.address} sent data ahead of TLS; someone may be tampering with the line."
            )
        self.sock = tls.secure(self.sock, self._endpoint)
        self.untagged_responses = {}
        _, said = self.capability()
        self.capabilities = tuple(_text(said).upper().split())
        return answer

    def read(self, size: int) -> bytes:
        """A literal of `size` bytes. Raises Oversized."""
        if size > min(self._room, 2 * SPOOL_ABOVE):
            raise Oversized
        while len(self._received) < size:
            if not self._receive():
                break
        return self._taken(size)

    def readline(self) -> bytes:
        """A line with its end. Raises Oversized; imaplib's error where it is longer than any may be."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > _LONGEST_LINE:
                raise self.error(f"a line of more than {_LONGEST_LINE} bytes")
            if not self._receive():
                return self._taken(searched)
        self._pace.line()
        return self._taken(end + 1)

    def _taken(self, size: int) -> bytes:
        self._room -= size
        if self._room < 0:
            raise Oversized
        data = bytes(memoryview(self._received)[:size])
        del self._received[:size]
        return data

    def _receive(self) -> int:
        count = self._pace.receive(lambda: self.sock.recv_into(self._chunk))
        self._received += self._chunk[:count]
        return count


class _Response:
    """A SASL response. What the server says of a token that it refuses is answered with nothing."""

    def __init__(self, initial: bytes) -> None:
        self._initial = initial

    def __call__(self, said: bytes) -> bytes:
        return b"" if said else self._initial


class ImapWire:
    """A logged-in connection. What breaks it is raised as Passing, what can't be as SourceError."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        with translated(endpoint):
            try:
                self._client = _Client(endpoint)
            except imaplib.IMAP4.error as error:
                raise Passing(
                    f"{endpoint.address} takes no IMAP session now ({error}): try later."
                ) from error
        try:
            with translated(endpoint):
                self._start_tls()
                self._log_in()
                self.capabilities = _words(self._client.capability()[1])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up without CLOSE or LOGOUT: nothing is expunged."""
        with suppress(OSError):
            self._client.shutdown()

    def _start_tls(self) -> None:
        if self._endpoint.secured_by != "starttls":
            return
        if "STARTTLS" not in self._client.capabilities:
            raise CertificateRefused(
                f"{self._endpoint.address} offers no STARTTLS, so no password was sent: enable it there, "
                'or set `security` to "tls" and use the port for TLS.'
            )
        self._client.starttls()

    def _log_in(self) -> None:
        name, password = self._endpoint.mailbox, self._endpoint.password or ""
        if any(c in name + password for c in "\r\n\0"):
            raise LoginRefused("A mailbox name or password can't hold a line break: correct the profile.")
        try:
            if self._endpoint.tokens is not None:
                self._show_token(self._endpoint.tokens)
            elif "AUTH=PLAIN" in self._client.capabilities:
                self._client.authenticate("PLAIN", lambda _: f"\0{name}\0{password}".encode())
            else:
                self._client.login(quoted(name), password)  # type: ignore[arg-type]  # it quotes one of two
        except UnicodeEncodeError as error:
            raise SourceError(
                f"{self._endpoint.address} takes passwords of ASCII characters only: set another one there."
            ) from error
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise self._refused(str(error)) from error
        self._endpoint.tell(LoggedIn())

    def _show_token(self, tokens: Tokens) -> None:
        """Log in by an access token; one that is refused is renewed once."""
        endpoint, offered = self._endpoint, self._client.capabilities
        way = next((way for way in ("XOAUTH2", "OAUTHBEARER") if f"AUTH={way}" in offered), None)
        if way is None:
            raise SourceError(f"{endpoint.address} takes no OAuth 2 tokens: use a password there.")
        for renew in (False, True):
            response = _Response(sasl(way, endpoint, tokens.token(renew)))
            try:
                self._client.authenticate(way, response)
                return
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                if renew or any(f"[{code}]" in str(error).upper() for code in _PASSING_CODES):
                    raise

    def _refused(self, said: str) -> SourceError:
        address, mailbox = self._endpoint.address, self._endpoint.mailbox
        if any(f"[{code}]" in said.upper() for code in _PASSING_CODES):
            return Passing(f"{address} can't serve {mailbox} now ({said}): run again later.")
        return LoginRefused(
            f"{address} refused the name {mailbox} or its password: check `mailbox` and `password`."
            if self._endpoint.tokens is None
            else f"{address} refused the token for {mailbox}: see that the application, or whoever "
            "signed in, may open that mailbox."
        )

    # --- the folder -----------------------------------------------------------------------------

    def folders(self) -> list[Listed]:
        """Every folder that can be selected. Raises Passing when the server does not tell."""
        special = {"LIST-EXTENDED", "SPECIAL-USE"} <= self.capabilities
        with translated(self._endpoint):
            self._client.allow(FOLDER_LIST)
            kind, data = self._client.list('""', '"*" RETURN (SPECIAL-USE)' if special else '"*"')
        if kind != "OK":
            raise Passing(f"{self._endpoint.address} could not list its folders ({_text(data)}): run again.")
        return read_list(data)

    def select(self, folder: str, raw: bytes = b"") -> Selected:
        """Open the folder, or look again at what is there. Raises NoFolder, SourceError, Passing.

        `raw` is its name as LIST had it, where that is known.
        """
        name = quoted_bytes(raw or encode_folder(folder).encode())
        if self._endpoint.folders is not None and "CONDSTORE" in self.capabilities:
            name += b" (CONDSTORE)"
        with translated(self._endpoint):
            try:
                kind, data = self._client.select(name)  # type: ignore[arg-type]
                read_only = False
            except imaplib.IMAP4.readonly:
                kind, data = self._client.select(name, readonly=True)  # type: ignore[arg-type]
                read_only = True
            if kind != "OK":
                raise self._not_selected(folder, _text(data))
            validity = self._client.response("UIDVALIDITY")[1][0]
            following = self._client.response("UIDNEXT")[1][0]
            modified = self._client.response("HIGHESTMODSEQ")[1][0]
            exists = require_believable(self._endpoint, int(data[0] or b"0"))
        if validity is None:
            raise SourceError(f"{self._endpoint.address} has no lasting UIDs in {folder}: use POP3.")
        state = b":".join((validity, following, data[0] or b"0", modified)) if following and modified else b""
        return Selected(
            exists,
            validity.decode("ascii", "replace"),
            read_only,
            state.decode("ascii", "replace"),
        )

    def _not_selected(self, folder: str, said: str) -> SourceError:
        if any(f"[{code}]" in said.upper() for code in _PASSING_CODES):
            return Passing(f"{self._endpoint.address} can't open {folder} now ({said}): run again later.")
        return NoFolder(f"{self._endpoint.address} can't open the folder {folder} ({said}): check `folder`.")

    def rows(self, first: int, last: int) -> list[Row]:
        """The messages numbered from `first` to `last`, by their UIDs."""
        with translated(self._endpoint):
            self._client.allow((last - first + 1) * LINE_OF_A_MESSAGE)
            kind, data = self._client.fetch(f"{first}:{last}", "(UID RFC822.SIZE INTERNALDATE FLAGS)")
            rows = sorted(_rows(data))
        if kind != "OK" and "EXPUNGEISSUED" not in _text(data):
            raise Passing(f"{self._endpoint.address} could not list the folder ({_text(data)}): run again.")
        return rows

    def bodies(self, uids: list[int], announced: int) -> dict[int, bytes]:
        """The bytes of messages, by UID; what the server does not hand out is left out.

        Raises Oversized when they are far more than `announced`, the sum of their sizes.
        """
        return self._bodies(uids, "BODY.PEEK[]", announced)

    def piece(self, uid: int, offset: int, size: int) -> bytes | None:
        """Up to `size` bytes of a message from `offset`; None when the server does not hand it out."""
        return self._bodies([uid], f"BODY.PEEK[]<{offset}.{size}>", size).get(uid)

    def _bodies(self, uids: list[int], what: str, announced: int) -> dict[int, bytes]:
        with translated(self._endpoint, oversized=True):
            self._client.allow(2 * announced + len(uids) * LINE_OF_A_MESSAGE)
            try:
                _, data = self._client.uid("FETCH", uid_set(uids), f"(UID {what})")
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                raise Passing(
                    f"{self._endpoint.address} fails at a message ({error}): look at its log."
                ) from error
            wanted = set(uids)
            return {uid: body for uid, body in _literals(data) if uid in wanted}

    def present(self, uids: list[int]) -> set[int]:
        """Which of these are in the folder. Raises Passing when the server does not tell."""
        with translated(self._endpoint):
            kind, data = self._client.uid("SEARCH", "UID", uid_set(uids))
            if kind == "OK":
                return {int(uid) for line in data if line for uid in line.split()}
        raise Passing(f"{self._endpoint.address} could not search ({_text(data)}): run again later.")

    def expunge(self, uids: list[int]) -> None:
        """Delete these messages for good, and no others (UIDPLUS, RFC 4315). Raises SourceError."""
        chosen = uid_set(uids)
        with translated(self._endpoint):
            for command in (("STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)"), ("EXPUNGE", chosen)):
                kind, data = self._client.uid(*command)
                if kind != "OK" and "EXPUNGEISSUED" not in _text(data):
                    raise Passing(f"{self._endpoint.address} could not delete ({_text(data)}): run again.")


@contextmanager
def translated(endpoint: Endpoint, *, oversized: bool = False) -> Iterator[None]:
    """Turn what imaplib raises, and numbers that are none, into our errors; not Oversized if `oversized`."""
    try:
        yield
    except Oversized as error:
        if oversized:
            raise
        raise too_much(endpoint.address, "an IMAP command") from error
    except ValueError as error:
        if isinstance(error, UnicodeError):
            raise
        raise SourceError(
            f"{endpoint.address} answered with a number or a date that is none: "
            "ask the people who run that server, or use POP3."
        ) from error
    except imaplib.IMAP4.abort as error:
        raise lost(endpoint, error.__context__) from error
    except imaplib.IMAP4.error as error:
        raise SourceError(f"{endpoint.address} answered what IMAP does not allow ({error}).") from error
    except OSError as error:
        raise lost(endpoint, error) from error


def quoted(text: str) -> bytes:
    """An IMAP quoted string (RFC 9051, 9): safe for any text without line breaks."""
    return quoted_bytes(text.encode())


def quoted_bytes(text: bytes) -> bytes:
    """As `quoted`, of text that is bytes already."""
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def encode_folder(name: str) -> str:
    """A folder's name in modified UTF-7 (RFC 3501, 5.1.3)."""
    out: list[str] = []
    for plain, other in re.findall(r"([ -~]+)|([^ -~]+)", name):
        if plain:
            out.append(plain.replace("&", "&-"))
        else:
            encoded = base64.b64encode(other.encode("utf-16-be")).decode().rstrip("=")
            out.append(f"&{encoded.replace('/', ',')}-")
    return "".join(out)


def decode_folder(name: bytes) -> str:
    """The name that modified UTF-7 (RFC 3501, 5.1.3) or UTF-8 stands for; what is neither stays as it is."""
    text = name.decode("utf-8", "surrogateescape")

    def decoded(found: re.Match[str]) -> str:
        if not found[1]:
            return "&"
        encoded = found[1].replace(",", "/")
        try:
            return base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-16-be")
        except (ValueError, UnicodeDecodeError):
            return found[0]

    return re.sub(r"&([A-Za-z0-9+,]*)-", decoded, text).encode("utf-8", "replace").decode()


def uid_set(uids: Iterable[int]) -> str:
    """A sequence set, runs written as ranges."""
    runs: list[list[int]] = []
    for uid in sorted(uids):
        if runs and runs[-1][1] + 1 == uid:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in runs)


def read_list(data: list[Any]) -> list[Listed]:
    """The folders in an answer to LIST that can be selected."""
    return [found for line in _joined(data) if (found := _listed(line))]


def _joined(data: list[Any]) -> Iterator[bytes]:
    """Lines of an answer, a literal in one written as a quoted string."""
    lines = iter(data)
    for line in lines:
        if isinstance(line, tuple):
            rest = next(lines, b"")
            head = line[0].rpartition(b"{")[0]
            yield head + quoted_bytes(line[1]) + (rest if isinstance(rest, bytes) else b"")
        elif isinstance(line, bytes):
            yield line


def _listed(line: bytes) -> Listed | None:
    found = _LISTED.match(line)
    flags = set(found[1].decode("ascii", "replace").lower().split()) if found else set()
    if found is None or flags & _NOT_SELECTABLE:
        return None
    raw = re.sub(rb"\\(.)", rb"\1", found[3]) if found[3] is not None else found[4]
    name = decode_folder(raw)
    delimiter = re.sub(r"\\(.)", r"\1", found[2].decode("utf-8", "replace")) if found[2] else ""
    levels = tuple(name.split(delimiter)) if delimiter else (name,)
    use = next((_USES[flag] for flag in sorted(flags) if flag in _USES), None)
    return Listed(name, levels, use or use_by_name(levels), raw)


def _rows(data: list[Any]) -> Iterator[Row]:
    for line in data:
        if not isinstance(line, bytes):
            continue
        uid, size = _UID.search(line), _SIZE.search(line)
        if uid and size:
            flags = _FLAGS.search(line)
            words = tuple(flags[1].decode("ascii", "replace").split()) if flags else ()
            yield Row(int(uid[1]), min(int(size[1]), LARGEST_SIZE), words, _date(line))


def _date(line: bytes) -> int | None:
    found = _DATE.search(line)
    if not found:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
    if month.capitalize() not in _MONTHS:
        return None
    offset = int(hours) * 3600 + int(minutes) * 60
    written = (int(year), _MONTHS.index(month.capitalize()) + 1, int(day))
    return at(written, (int(hour), int(minute), int(second)), offset if sign == b"+" else -offset)


def _literals(data: list[Any]) -> Iterator[tuple[int, bytes]]:
    """UIDs and bodies of a FETCH answer; the UID stands before the literal or behind it.

    NIL is no empty body: servers say so of messages that another session has expunged.
    """
    for index, part in enumerate(data):
        if isinstance(part, tuple):
            head, body = part
            tail = data[index + 1] if index + 1 < len(data) else b""
            uid = _UID.search(head) or (_UID.search(tail) if isinstance(tail, bytes) else None)
            if uid:
                yield int(uid[1]), body
        elif isinstance(part, bytes) and (short := _SHORT_BODY.search(part)) and (uid := _UID.search(part)):
            yield int(uid[1]), re.sub(rb"\\(.)", rb"\1", short[1])


def _words(data: list[Any]) -> frozenset[str]:
    return frozenset(_text(data).upper().split())


def _text(data: list[Any]) -> str:
    return " ".join(part.decode("utf-8", "replace") for part in data if isinstance(part, bytes))

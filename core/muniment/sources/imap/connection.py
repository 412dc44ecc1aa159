"""One IMAP session: logging in, listing folders, and listing, fetching and deleting messages in one."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from muniment.errors import CertificateRefused, LoginRefused, SourceError
from muniment.net.events import LoggedIn
from muniment.net.limits import too_much
from muniment.net.oauth import TokenSource, sasl
from muniment.net.retry import TransientError
from muniment.net.server_text import one_line, quote
from muniment.sources.endpoint import ServerEndpoint
from muniment.sources.imap.client import connected, reason, translated
from muniment.sources.imap.namespaces import ImapNamespace, read_namespaces
from muniment.sources.imap.text import (
    ListedFolder,
    ListedMessage,
    encode_folder,
    joined,
    quoted,
    quoted_bytes,
    read_bodies,
    read_found,
    read_list,
    read_rows,
    text,
    uid_set,
    words,
)
from muniment.sources.mail_limits import require_believable

_PASSING_CODES = ("UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "THROTTLED")
_REV2 = frozenset(("NAMESPACE", "UIDPLUS", "LIST-EXTENDED", "MOVE", "SPECIAL-USE"))
"""Capabilities that are part of IMAP4rev2, so a server need not name them (RFC 9051, appendix E)."""
MOST_NAMESPACES = 100
"""Most namespaces of a server, since each folder is compared with all of them; few servers have more than
three."""
LEAST_LISTED = 32
"""Bytes of an entry of LIST besides the folder's name."""
LINE_OF_A_MESSAGE = 4096
"""Most bytes of a list for each message: its flags, and changes by other sessions at the same time."""


class FolderGone(SourceError):
    """A folder can't be opened: it may have been renamed or deleted."""


class FolderNotOpened(TransientError):
    """A folder exists and can't be opened now."""


class SelectedFolder(NamedTuple):
    """The state of a folder in the answer to SELECT."""

    exists: int
    """Number of messages."""
    uidvalidity: str
    read_only: bool
    state: str = ""
    """A text that changes with every change in the folder (CONDSTORE, RFC 7162); "" without CONDSTORE."""


class _Response:
    """A SASL response. If the server sends a challenge to explain a refused token, the answer is empty."""

    def __init__(self, initial: bytes) -> None:
        self._initial = initial

    def __call__(self, challenge: bytes) -> bytes:
        return b"" if challenge else self._initial


class ImapWire:
    """A logged-in connection.

    Every method can raise TransientError if the connection breaks or the server fails for now, and
    SourceError if the server can't be used.
    """

    def __init__(self, endpoint: ServerEndpoint) -> None:
        """Connect and log in.

        Raises:
            CertificateRefused: The connection can't be secured.
            LoginRefused: The server refuses the name, the password or the token.
            SourceError: The server can't be used.
        """
        self._endpoint = endpoint
        self._client = connected(endpoint)
        self.alerts: list[str] = []
        """The server's texts for people (ALERT) that came with the login."""
        try:
            with translated(endpoint, self._client):
                self._start_tls()
                if self._client.state != "AUTH":
                    self._log_in()
                endpoint.on_event(LoggedIn())
                self._note_alerts()
                self.capabilities = words(self._client.capability()[1])
        except BaseException:
            self.close()
            raise
        if "IMAP4REV1" not in self.capabilities:
            self.capabilities |= _REV2

    def _note_alerts(self) -> None:
        self.alerts += [self._quote(alert) for alert in self._client.alerts()]

    def close(self) -> None:
        """Close the connection without CLOSE or LOGOUT, so that nothing is expunged."""
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
            raise LoginRefused("A mailbox name or password can't contain a line break: correct the profile.")
        try:
            if self._endpoint.tokens is not None:
                self._log_in_by_token(self._endpoint.tokens)
                return
            if "AUTH=PLAIN" in self._client.capabilities:
                done: Any = self._client.authenticate("PLAIN", lambda _: f"\0{name}\0{password}".encode())
            else:
                done = self._client.login(quoted(name), password)  # type: ignore[arg-type]
            self._note_alert(done[1])
        except UnicodeEncodeError as error:
            raise SourceError(
                f"{self._endpoint.address} accepts only ASCII characters in passwords: set another one there."
            ) from error
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise self._refused(reason(error)) from error

    def _note_alert(self, answer: Any) -> None:
        """Note an alert in the answer that ends a command."""
        if text(answer).upper().startswith("[ALERT]"):
            self.alerts.append(self._quote(text(answer)))

    def _log_in_by_token(self, tokens: TokenSource) -> None:
        """Log in with an access token; a refused one is renewed once."""
        endpoint, offered = self._endpoint, self._client.capabilities
        way = next((way for way in ("XOAUTH2", "OAUTHBEARER") if f"AUTH={way}" in offered), None)
        if way is None:
            raise SourceError(f"{endpoint.address} does not accept OAuth 2 tokens: use a password there.")
        for renew in (False, True):
            response = _Response(sasl(way, endpoint, tokens.token(renew)))
            try:
                self._client.authenticate(way, response)
                return
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                if renew or _passes(reason(error)):
                    raise

    def _refused(self, answer: str) -> SourceError:
        address, mailbox, why = self._endpoint.address, self._endpoint.mailbox, self._quote(answer)
        if _passes(answer):
            return TransientError(f"{address} can't serve {mailbox} now ({why}): run again later.")
        return LoginRefused(
            f"{address} refused the name {mailbox} or its password ({why}): check `mailbox` and `password`."
            if self._endpoint.tokens is None
            else f"{address} refused the token for {mailbox} ({why}): check that the application, or the "
            "person who signed in, is allowed to open that mailbox."
        )

    @staticmethod
    def passes(answer: str) -> bool:
        """Whether a refusal can be over at the next attempt, by its response code."""
        return _passes(answer)

    def _quote(self, answer: str | bytes) -> str:
        return quote(self._endpoint, answer)

    # --- the folder -----------------------------------------------------------------------------

    def namespaces(self) -> list[ImapNamespace]:
        """The prefixes of own, other users' and shared folders (RFC 2342); none without NAMESPACE.

        Raises: Passing: The server has NAMESPACE and refuses to answer. Without an answer, all folders would
            count as the mailbox's own.
        """
        if "NAMESPACE" not in self.capabilities:
            return []
        with translated(self._endpoint, self._client):
            kind, data = self._client.namespace()
        if kind != "OK":
            why = self._quote(text(data))
            raise TransientError(
                f"{self._endpoint.address} does not say which folders belong to whom ({why}): run again, and "
                "ask the people who run that server."
            )
        found = read_namespaces(b" ".join(joined(data)))
        if len(found) > MOST_NAMESPACES:
            raise too_much(self._endpoint.address, "NAMESPACE")
        return found

    def folders(self, prefixes: list[bytes]) -> list[ListedFolder]:
        """Every folder below the prefixes that can be selected, each once.

        Raises:
            SourceError: All lists together are longer than allowed.
        """
        found: dict[bytes, ListedFolder] = {}
        room = self._endpoint.limits.folder_list
        for prefix in prefixes:
            for one in self._list(prefix):
                room -= len(one.raw) + LEAST_LISTED
                if room < 0:
                    raise too_much(self._endpoint.address, "LIST")
                found[one.raw] = one
        return list(found.values())

    def _list(self, prefix: bytes) -> Iterator[ListedFolder]:
        pattern = quoted_bytes(prefix + b"*").decode("utf-8", "surrogateescape")
        if {"LIST-EXTENDED", "SPECIAL-USE"} <= self.capabilities:
            pattern += " RETURN (SPECIAL-USE)"
        with translated(self._endpoint, self._client):
            self._client.allow(self._endpoint.limits.folder_list)
            kind, data = self._client.list('""', pattern)
        if kind != "OK":
            why = self._quote(text(data))
            raise TransientError(f"{self._endpoint.address} could not list its folders ({why}): run again.")
        yield from read_list(data)

    def still_lists(self, raw: bytes) -> bool:
        """Whether LIST still has a folder, even if it can't be opened."""
        return self.listed(raw) is not None

    def listed(self, raw: bytes) -> ListedFolder | None:
        """A folder as LIST has it, even if it can't be opened; None if it is not in the list."""
        with translated(self._endpoint, self._client):
            kind, data = self._client.list('""', quoted_bytes(raw).decode("utf-8", "surrogateescape"))
        return next((one for one in read_list(data) if one.raw == raw), None) if kind == "OK" else None

    def select(self, folder: str, raw: bytes = b"") -> SelectedFolder:
        """Open a folder, or read its state again.

        Args:
            folder: Its name in Unicode.
            raw: Its name as LIST gave it; b"" if it is not known.

        Raises:
            FolderGone: The server refuses to open it.
            FolderNotOpened: The server can't open it now.
            SourceError: It has no lasting UIDs.
        """
        name = quoted_bytes(raw or encode_folder(folder).encode())
        if self._endpoint.folders is not None and "CONDSTORE" in self.capabilities:
            name += b" (CONDSTORE)"
        with translated(self._endpoint, self._client):
            try:
                kind, data = self._client.select(name)  # type: ignore[arg-type]
                read_only = False
            except imaplib.IMAP4.readonly:
                kind, data = self._client.select(name, readonly=True)  # type: ignore[arg-type]
                read_only = True
            if kind != "OK":
                raise self._not_selected(folder, text(data))
            validity = self._client.response("UIDVALIDITY")[1][0]
            following = self._client.response("UIDNEXT")[1][0]
            modified = self._client.response("HIGHESTMODSEQ")[1][0]
            if isinstance(data[0], tuple):  # a literal, where a number belongs
                raise ValueError(data[0])
            exists = require_believable(self._endpoint, int(data[0] or b"0"))
        if validity is None:
            raise SourceError(f"{self._endpoint.address} has no lasting UIDs in {folder}: use POP3.")
        state = b":".join((validity, following, data[0] or b"0", modified)) if following and modified else b""
        return SelectedFolder(
            exists,
            validity.decode("ascii", "replace"),
            read_only,
            state.decode("ascii", "replace"),
        )

    def _not_selected(self, folder: str, answer: str) -> SourceError:
        why, name = self._quote(answer), one_line(folder)
        if _passes(answer):
            return FolderNotOpened(
                f"{self._endpoint.address} can't open {name} now ({why}): run again later."
            )
        return FolderGone(f"{self._endpoint.address} can't open the folder {name} ({why}): check `folder`.")

    def rows(self, first: int, last: int, *, labels: bool = False) -> list[ListedMessage]:
        """The messages numbered from `first` to `last`, sorted by UID; `labels` asks for Gmail's labels."""
        wanted = f"(UID RFC822.SIZE INTERNALDATE FLAGS{' X-GM-LABELS' if labels else ''})"
        with translated(self._endpoint, self._client):
            self._client.allow((last - first + 1) * LINE_OF_A_MESSAGE)
            kind, data = self._client.fetch(f"{first}:{last}", wanted)
            rows = sorted(read_rows(data))
        if kind != "OK" and "EXPUNGEISSUED" not in text(data):
            why = self._quote(text(data))
            raise TransientError(f"{self._endpoint.address} could not list the folder ({why}): run again.")
        return rows

    def bodies(self, uids: list[int], announced: int) -> Iterator[tuple[int, bytes]]:
        """Fetch messages.

        Args:
            uids: Their UIDs.
            announced: The sum of their sizes in bytes.

        Yields:
            UID and bytes of each message; a message that the server does not send is left out.

        Raises:
            AnswerTooLarge: The server sends far more than `announced`.
            TransientError: The connection broke. Messages that came whole are yielded before.
        """
        return self._bodies(uids, "BODY.PEEK[]", announced)

    def piece(self, uid: int, offset: int, size: int) -> bytes | None:
        """Up to `size` bytes of a message from `offset` on; None if the server does not send it."""
        return dict(self._bodies([uid], f"BODY.PEEK[]<{offset}.{size}>", size)).get(uid)

    def _bodies(self, uids: list[int], what: str, announced: int) -> Iterator[tuple[int, bytes]]:
        failure: TransientError | None = None
        data: list[Any] = []
        try:
            with translated(self._endpoint, self._client, oversized=True):
                self._client.allow(2 * announced + len(uids) * LINE_OF_A_MESSAGE)
                data = self._fetched(uids, what)
        except TransientError as error:
            failure = error
            data = self._client.untagged_responses.get("FETCH", [])
        wanted = set(uids)
        for uid, body in read_bodies(data):
            if uid in wanted:
                wanted.remove(uid)
                yield uid, body
        if failure:
            raise failure

    def _fetched(self, uids: list[int], what: str) -> list[Any]:
        try:
            return list(self._client.uid("FETCH", uid_set(uids), f"(UID {what})")[1])
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            why = self._quote(reason(error))
            raise TransientError(
                f"{self._endpoint.address} fails at a message ({why}): look at its log."
            ) from error

    def present(self, uids: list[int]) -> set[int]:
        """Those of these UIDs that are in the folder."""
        with translated(self._endpoint, self._client):
            kind, data = self._client.uid("SEARCH", "UID", uid_set(uids))
            if kind == "OK":
                return read_found(data, self._client.response("ESEARCH")[1]) & set(uids)
        raise TransientError(
            f"{self._endpoint.address} could not search ({self._quote(text(data))}): run again later."
        )

    def expunge(self, uids: list[int]) -> None:
        """Delete these messages for good, and no others (UIDPLUS, RFC 4315)."""
        chosen = uid_set(uids)
        self._change(("STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)"))
        self._change(("EXPUNGE", chosen))

    def move(self, uids: list[int], raw: bytes) -> None:
        """Move these messages to another folder (RFC 6851); `raw` is its name as LIST gave it."""
        self._change(("MOVE", uid_set(uids), quoted_bytes(raw).decode("utf-8", "surrogateescape")))

    def _change(self, command: tuple[str, ...]) -> None:
        with translated(self._endpoint, self._client):
            kind, data = self._client.uid(*command)
        if kind != "OK" and "EXPUNGEISSUED" not in text(data):
            why = self._quote(text(data))
            raise TransientError(f"{self._endpoint.address} could not delete ({why}): run again.")


def _passes(answer: str) -> bool:
    """Whether a refusal can be over at the next attempt, by its response code."""
    return any(f"[{code}]" in answer.upper() for code in _PASSING_CODES)

"""One IMAP session: getting in, folders, and what is done in one."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from muniment.errors import CertificateRefused, LoginRefused, SourceError
from muniment.sources.endpoint import Endpoint, LoggedIn
from muniment.sources.imap.client import connected, reason, translated
from muniment.sources.imap.namespaces import Namespace, read_namespaces
from muniment.sources.imap.text import (
    Listed,
    Row,
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
from muniment.sources.limits import FOLDER_LIST, require_believable
from muniment.sources.oauth import Tokens, sasl
from muniment.sources.retry import Passing
from muniment.sources.said import said, shown

_PASSING_CODES = ("UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "THROTTLED")
_REV2 = frozenset(("NAMESPACE", "UIDPLUS", "LIST-EXTENDED", "MOVE", "SPECIAL-USE"))
"""What is used here and what a server of IMAP4rev2 can do without saying so (RFC 9051, appendix E)."""
LINE_OF_A_MESSAGE = 4096
"""Bytes that a list may have for each message: flags of any kind, and what others change meanwhile."""


class NoFolder(SourceError):
    """A folder can't be opened: it may have been renamed or deleted."""


class CantOpen(Passing):
    """A folder can't be opened now, though it is there."""


class Selected(NamedTuple):
    """A folder as SELECT found it."""

    exists: int
    uidvalidity: str
    read_only: bool
    state: str = ""
    """What changes whenever anything in the folder does (CONDSTORE, RFC 7162); "" where none is stated."""


class _Response:
    """A SASL response. What the server says of a token that it refuses is answered with nothing."""

    def __init__(self, initial: bytes) -> None:
        self._initial = initial

    def __call__(self, challenge: bytes) -> bytes:
        return b"" if challenge else self._initial


class ImapWire:
    """A logged-in connection. What breaks it is raised as Passing, what can't be as SourceError."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = connected(endpoint)
        self.alerts: list[str] = []
        """What the server wants people to be shown, said at the login."""
        try:
            with translated(endpoint, self._client):
                self._start_tls()
                if self._client.state != "AUTH":
                    self._log_in()
                endpoint.tell(LoggedIn())
                self._note_alerts()
                self.capabilities = words(self._client.capability()[1])
        except BaseException:
            self.close()
            raise
        if "IMAP4REV1" not in self.capabilities:
            self.capabilities |= _REV2

    def _note_alerts(self) -> None:
        self.alerts += [said(self._endpoint, alert) for alert in self._client.alerts()]

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
                return
            if "AUTH=PLAIN" in self._client.capabilities:
                done: Any = self._client.authenticate("PLAIN", lambda _: f"\0{name}\0{password}".encode())
            else:
                done = self._client.login(quoted(name), password)  # type: ignore[arg-type]
            self._take(done[1])
        except UnicodeEncodeError as error:
            raise SourceError(
                f"{self._endpoint.address} takes passwords of ASCII characters only: set another one there."
            ) from error
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise self._refused(reason(error)) from error

    def _take(self, answer: Any) -> None:
        """Take note of an alert in the answer that ends a command."""
        if text(answer).upper().startswith("[ALERT]"):
            self.alerts.append(self._said(text(answer)))

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
                if renew or _passes(reason(error)):
                    raise

    def _refused(self, answer: str) -> SourceError:
        address, mailbox, why = self._endpoint.address, self._endpoint.mailbox, self._said(answer)
        if _passes(answer):
            return Passing(f"{address} can't serve {mailbox} now ({why}): run again later.")
        return LoginRefused(
            f"{address} refused the name {mailbox} or its password ({why}): check `mailbox` and `password`."
            if self._endpoint.tokens is None
            else f"{address} refused the token for {mailbox} ({why}): see that the application, or whoever "
            "signed in, may open that mailbox."
        )

    def _said(self, answer: str) -> str:
        return said(self._endpoint, answer)

    # --- the folder -----------------------------------------------------------------------------

    def namespaces(self) -> list[Namespace]:
        """Whose folders have which prefixes (RFC 2342); none where the server does not know namespaces.

        Raises Passing where it knows them and does not tell: all folders would count as one's own then.
        """
        if "NAMESPACE" not in self.capabilities:
            return []
        with translated(self._endpoint, self._client):
            kind, data = self._client.namespace()
        if kind != "OK":
            why = self._said(text(data))
            raise Passing(
                f"{self._endpoint.address} does not tell whose folders are whose ({why}): run again, and ask "
                "who runs that server."
            )
        return read_namespaces(b" ".join(joined(data)))

    def folders(self, prefixes: list[bytes]) -> list[Listed]:
        """Every folder below the prefixes that can be selected, each once.

        Raises Passing when the server does not tell.
        """
        found: dict[bytes, Listed] = {}
        for prefix in prefixes:
            found.update((one.raw, one) for one in self._list(prefix))
        return list(found.values())

    def _list(self, prefix: bytes) -> Iterator[Listed]:
        pattern = quoted_bytes(prefix + b"*").decode("utf-8", "surrogateescape")
        if {"LIST-EXTENDED", "SPECIAL-USE"} <= self.capabilities:
            pattern += " RETURN (SPECIAL-USE)"
        with translated(self._endpoint, self._client):
            self._client.allow(FOLDER_LIST)
            kind, data = self._client.list('""', pattern)
        if kind != "OK":
            why = self._said(text(data))
            raise Passing(f"{self._endpoint.address} could not list its folders ({why}): run again.")
        yield from read_list(data)

    def still_lists(self, raw: bytes) -> bool:
        """Whether a folder is there, though it may not be opened."""
        with translated(self._endpoint, self._client):
            kind, data = self._client.list('""', quoted_bytes(raw).decode("utf-8", "surrogateescape"))
        return kind == "OK" and any(one.raw == raw for one in read_list(data))

    def select(self, folder: str, raw: bytes = b"") -> Selected:
        """Open the folder, or look again at what is there. Raises NoFolder, SourceError, Passing.

        `raw` is its name as LIST had it, where that is known.
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

    def _not_selected(self, folder: str, answer: str) -> SourceError:
        why, name = self._said(answer), shown(folder)
        if _passes(answer):
            return CantOpen(f"{self._endpoint.address} can't open {name} now ({why}): run again later.")
        return NoFolder(f"{self._endpoint.address} can't open the folder {name} ({why}): check `folder`.")

    def rows(self, first: int, last: int, *, labels: bool = False) -> list[Row]:
        """The messages numbered from `first` to `last`, by their UIDs; with Gmail's labels if asked."""
        wanted = f"(UID RFC822.SIZE INTERNALDATE FLAGS{' X-GM-LABELS' if labels else ''})"
        with translated(self._endpoint, self._client):
            self._client.allow((last - first + 1) * LINE_OF_A_MESSAGE)
            kind, data = self._client.fetch(f"{first}:{last}", wanted)
            rows = sorted(read_rows(data))
        if kind != "OK" and "EXPUNGEISSUED" not in text(data):
            why = self._said(text(data))
            raise Passing(f"{self._endpoint.address} could not list the folder ({why}): run again.")
        return rows

    def bodies(self, uids: list[int], announced: int) -> Iterator[tuple[int, bytes]]:
        """UIDs and the bytes of messages; what the server does not hand out is left out.

        Raises Oversized when they are far more than `announced`, the sum of their sizes; Passing when the
        line breaks, once those that came whole have been handed on.
        """
        return self._bodies(uids, "BODY.PEEK[]", announced)

    def piece(self, uid: int, offset: int, size: int) -> bytes | None:
        """Up to `size` bytes of a message from `offset`; None when the server does not hand it out."""
        return dict(self._bodies([uid], f"BODY.PEEK[]<{offset}.{size}>", size)).get(uid)

    def _bodies(self, uids: list[int], what: str, announced: int) -> Iterator[tuple[int, bytes]]:
        failure: Passing | None = None
        data: list[Any] = []
        try:
            with translated(self._endpoint, self._client, oversized=True):
                self._client.allow(2 * announced + len(uids) * LINE_OF_A_MESSAGE)
                data = self._fetched(uids, what)
        except Passing as error:
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
            why = self._said(reason(error))
            raise Passing(f"{self._endpoint.address} fails at a message ({why}): look at its log.") from error

    def present(self, uids: list[int]) -> set[int]:
        """Which of these are in the folder. Raises Passing when the server does not tell."""
        with translated(self._endpoint, self._client):
            kind, data = self._client.uid("SEARCH", "UID", uid_set(uids))
            if kind == "OK":
                return read_found(data, self._client.response("ESEARCH")[1]) & set(uids)
        raise Passing(
            f"{self._endpoint.address} could not search ({self._said(text(data))}): run again later."
        )

    def expunge(self, uids: list[int]) -> None:
        """Delete these messages for good, and no others (UIDPLUS, RFC 4315). Raises SourceError."""
        chosen = uid_set(uids)
        self._change(("STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)"))
        self._change(("EXPUNGE", chosen))

    def move(self, uids: list[int], raw: bytes) -> None:
        """Move these messages into another folder (RFC 6851). Raises SourceError."""
        self._change(("MOVE", uid_set(uids), quoted_bytes(raw).decode("utf-8", "surrogateescape")))

    def _change(self, command: tuple[str, ...]) -> None:
        with translated(self._endpoint, self._client):
            kind, data = self._client.uid(*command)
        if kind != "OK" and "EXPUNGEISSUED" not in text(data):
            why = self._said(text(data))
            raise Passing(f"{self._endpoint.address} could not delete ({why}): run again.")


def _passes(answer: str) -> bool:
    """Whether a refusal may be over at the next attempt."""
    return any(f"[{code}]" in answer.upper() for code in _PASSING_CODES)

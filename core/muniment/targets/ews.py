"""A folder of a mailbox on an Exchange Server, into which messages are put as items.

Exchange keeps no MIME: it makes its own properties of a message, and writes other MIME when it is asked for.
"""

from __future__ import annotations

from dataclasses import replace

from muniment.errors import SourceError
from muniment.net.dial import dial
from muniment.profiles.kinds.ews import EXCHANGE_ONLINE, is_exchange_online
from muniment.sources.endpoint import EwsEndpoint, require_private
from muniment.sources.ews.http import make_auth, offered
from muniment.sources.ews.writing import EwsWriter, ItemRefused
from muniment.sources.folders import levels
from muniment.targets.base import CLAIMED, GivenMail, MailRefused
from muniment.targets.flags import DRAFT, SEEN

LARGEST = 150 * 1024 * 1024
"""Largest message that is sent, in bytes, since a request is made in memory."""


class EwsTarget:
    """A folder of a mailbox. A message is recognised by a property with its hash."""

    batch = 50

    def __init__(self, endpoint: EwsEndpoint, mailbox: str, folder: str) -> None:
        """Set the login, the address of the mailbox ("" for the login's own), and the folder's name."""
        self._endpoint = endpoint
        self._mailbox = mailbox
        self._titled = folder
        self._wire: EwsWriter | None = None
        self._folder = ""

    @property
    def address(self) -> str:
        return self._endpoint.address

    def open(self) -> None:
        if self._wire is not None:
            return
        require_private(self._endpoint)
        if is_exchange_online(self._endpoint.host):
            raise SourceError(EXCHANGE_ONLINE)
        dial(self._endpoint).close()  # its errors explain more than those of HTTP
        if self._endpoint.tokens is None and self._endpoint.scheme == "password":
            self._endpoint = replace(self._endpoint, scheme=offered(self._endpoint))
        wire = EwsWriter(self._endpoint, make_auth(self._endpoint))
        try:
            self._folder = wire.open_folder(self._mailbox, levels(self._titled), self._titled)
        except BaseException:
            wire.close()
            raise
        self._wire = wire

    @property
    def _opened(self) -> EwsWriter:
        assert self._wire is not None
        return self._wire

    def find(self, mail: GivenMail, tried: bool, claimed: CLAIMED) -> str | None:
        return self._opened.find(self._mailbox, self._folder, mail.content.digest.hex())

    def put(self, mail: GivenMail) -> str:
        if mail.content.size > LARGEST:
            raise MailRefused("it is too large for EWS: export it instead")
        try:
            return self._opened.create(
                self._mailbox, self._folder, mail.content.pieces(), mail.date, mail.content.digest.hex(),
                read=SEEN in mail.flags, draft=DRAFT in mail.flags,
            )  # fmt: skip
        except ItemRefused as error:
            raise MailRefused(f"{self.address} does not take it ({error})") from error

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None

"""The mailbox of a MailStore Gateway, which is read by POP3."""

from __future__ import annotations

from muniment.profiles.kinds.common import LINE, LOGIN, ROUTING
from muniment.profiles.kinds.pop3 import PORTS
from muniment.profiles.rules import ON_A_SERVER, WHICH, WHOSE
from muniment.profiles.settings import LoginSettings, Security
from muniment.profiles.source_kind import SourceKind


class MailStoreSettings(LoginSettings, frozen=True, kw_only=True, tag="gateway"):
    """The settings of a gateway's mailbox. The part of `mailbox` from `@` on is dropped."""

    security: Security | None = None
    """None: STLS."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate in hex. It is trusted instead of the certificate authorities."""


GATEWAY = SourceKind(
    name="gateway",
    title="Gateway mailbox (POP3 with STLS, as MailStore Gateway)",
    settings=MailStoreSettings,
    fields=(*LOGIN, "delete", "timeout"),
    more=(*LINE, *ROUTING, "journal", "owner"),
    rules=(*ON_A_SERVER, *WHOSE, *WHICH),
    opens="pop3.source:Pop3Source",
    page="docs/mailboxes.md#pop3-servers-pop3-gateway",
    server=True,
    journal=True,
    reports="gateway",
    delete=True,
    cuts_host=True,
    ports=PORTS,
    security="starttls",
    speaks_first=True,
)

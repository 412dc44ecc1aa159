"""POP3 mailboxes."""

from __future__ import annotations

from muniment.profiles.kinds.common import ANY_AUTH, GOOGLE, LINE, LOGIN, OUTLOOK, ROUTING, TOKENS
from muniment.profiles.rules import ON_A_SERVER, WHICH, WHOSE
from muniment.profiles.settings import PinnedSettings, Security
from muniment.profiles.source_kind import SourceKind

PORTS: dict[Security, int] = {"tls": 995, "starttls": 110, "none": 110}


class Pop3Settings(PinnedSettings, frozen=True, kw_only=True, tag="pop3"):
    """The settings of a POP3 mailbox."""


POP3 = SourceKind(
    name="pop3",
    title="POP3 mailbox",
    settings=Pop3Settings,
    fields=(*LOGIN, "journal", "owner", "delete"),
    more=(*TOKENS, "timeout", *LINE, *ROUTING),
    rules=(*ON_A_SERVER, *WHOSE, *WHICH),
    opens="pop3.source:Pop3Source",
    page="docs/mailboxes.md#pop3-servers-pop3-gateway",
    server=True,
    reports="mailbox",
    ports=PORTS,
    security="starttls",
    tls_by_port=True,
    speaks_first=True,
    auth=ANY_AUTH,
    scopes={
        "app": (f"{OUTLOOK}/.default",),
        "device": ("https://outlook.office.com/POP.AccessAsUser.All",),
        "google": (GOOGLE,),
    },
)

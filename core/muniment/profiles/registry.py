"""The registry of source kinds. A new kind is one entry here; its module in `profiles.kinds` says the rest.

Everybody can import it: the engine, the command line and the app. It loads no source and no library of one.
`sources.factory` imports a source when it is opened.
"""

from __future__ import annotations

from muniment.profiles.kinds.eml import EML, EmlSettings
from muniment.profiles.kinds.ews import EWS, EwsSettings
from muniment.profiles.kinds.gateway import GATEWAY, MailStoreSettings
from muniment.profiles.kinds.graph import GRAPH, GraphSettings
from muniment.profiles.kinds.imap import IMAP, ImapSettings
from muniment.profiles.kinds.maildir import MAILDIR, MaildirSettings
from muniment.profiles.kinds.mbox import MBOX, MboxSettings
from muniment.profiles.kinds.pop3 import POP3, Pop3Settings
from muniment.profiles.kinds.spool import SPOOL, SpoolSettings
from muniment.profiles.source_kind import SourceKind

KINDS: tuple[SourceKind, ...] = (GATEWAY, IMAP, POP3, EWS, GRAPH, SPOOL, MAILDIR, MBOX, EML)
"""All kinds, in the order in which people choose among them."""
KIND: dict[str, SourceKind] = {kind.name: kind for kind in KINDS}

AnySettings = (
    MailStoreSettings
    | ImapSettings
    | Pop3Settings
    | EwsSettings
    | GraphSettings
    | SpoolSettings
    | MaildirSettings
    | MboxSettings
    | EmlSettings
)
"""The settings of a source of any kind."""

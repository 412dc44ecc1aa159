"""Mailboxes in Microsoft 365, which are read by Microsoft Graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muniment.profiles.fields import UNWANTED
from muniment.profiles.rules import FOLDER_FIELDS, ON_A_SERVER, WHICH, WHOSE
from muniment.profiles.settings import TokenSettings
from muniment.profiles.source_kind import Problems, SourceKind


class GraphSettings(TokenSettings, frozen=True, kw_only=True, tag="graph"):
    """The settings of mailboxes in Microsoft 365."""

    mailboxes: tuple[str, ...] = ()
    """Addresses of the mailboxes to read instead of `mailbox`; "*" for all."""
    folders: tuple[str, ...] = ()
    """Patterns of the folders to archive (see sources.folders); empty for all."""
    exclude: tuple[str, ...] = UNWANTED
    """Patterns of the folders to leave out."""


def _graph(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    if values["journal"]:
        yield "journal", "a mailbox in Exchange Online can't get journal reports; leave {journal} out"
    if values["security"] not in (None, "tls") or values["fingerprint"]:
        yield "security", "Microsoft Graph always uses TLS with its own certificate; leave this out"
    if values["mailboxes"] and values["mailbox"]:
        yield "mailboxes", "name either one mailbox or several"
    if values["mailboxes"] and values["owner"]:
        yield "owner", "with several mailboxes, each address is the owner; leave {owner} out"
    if values["mailboxes"] and values["auth"] == "device":
        yield "mailboxes", 'a person who signs in has one mailbox; several need {auth="app"}'


GRAPH = SourceKind(
    name="graph",
    title="Microsoft 365 mailbox (Graph)",
    settings=GraphSettings,
    fields=(
        "mailbox", "mailboxes", "auth", "directory", "client_id", "password", "certificate", "owner",
        "delete",
    ),
    more=(*FOLDER_FIELDS, "authority", "host", "port", "ca_file", "timeout"),
    rules=(*ON_A_SERVER, *WHOSE, *WHICH, _graph),
    opens="graph.source:GraphSource",
    page="docs/mailboxes.md#microsoft-365-graph",
    server=True,
    regenerates=True,
    host="graph.microsoft.com",
    ports={"tls": 443},
    auth=("app", "device"),
    scopes={
        "app": ("https://{host}/.default",),
        "device": ("https://{host}/Mail.{access}",),
    },
)  # fmt: skip

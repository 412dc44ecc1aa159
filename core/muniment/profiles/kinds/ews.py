"""Mailboxes on an Exchange Server, which are read by Exchange Web Services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from muniment.profiles.fields import PASSWORD_AUTH, UNWANTED
from muniment.profiles.kinds.common import LINE, LOGIN, ROUTING, TOKENS
from muniment.profiles.rules import FOLDER_FIELDS, ON_A_SERVER, WHICH, WHOSE
from muniment.profiles.settings import PinnedSettings
from muniment.profiles.source_kind import Problems, SourceKind

EXCHANGE_ONLINE = (
    "this is Exchange Online, where EWS is blocked since 2026-10-01 unless the tenant has allow-listed the "
    "application, and ends for everyone on 2027-04-01: use a profile of kind graph instead"
)
_EXCHANGE_ONLINE = (".office365.com", ".office.com", ".outlook.com", ".office365.us", ".outlook.cn")


class EwsSettings(PinnedSettings, frozen=True, kw_only=True, tag="ews"):
    """The settings of mailboxes on an Exchange Server."""

    mailboxes: tuple[str, ...] = ()
    """Addresses of the mailboxes to read instead of `mailbox`; "*" for all."""
    access: Literal["own", "delegate", "impersonation"] = "own"
    """The right by which other people's mailboxes are opened."""
    folders: tuple[str, ...] = ()
    """With journal = false: patterns of the folders to archive (see sources.folders); empty for all."""
    exclude: tuple[str, ...] = UNWANTED
    """Patterns of the folders to leave out."""


def is_exchange_online(host: str) -> bool:
    """Whether a host belongs to Exchange Online, in any of Microsoft's clouds."""
    return f".{host.lower().rstrip('.')}".endswith(_EXCHANGE_ONLINE)


def _exchange(kind: SourceKind, values: Mapping[str, Any]) -> Problems:
    several = values["mailboxes"]
    if is_exchange_online(values["host"]):
        yield "host", EXCHANGE_ONLINE
    if several and values["access"] == "own":
        yield "access", '{access} must be "impersonation" or "delegate" to open the mailboxes of others'
    if not several and values["access"] != "own":
        yield (
            "mailboxes",
            f'{{access="{values["access"]}"}} is for the mailboxes of others: name them in {{mailboxes}}',
        )
    if values["security"] == "starttls":
        yield "security", 'Exchange Web Services have no STARTTLS; use {security="tls"}'


EWS = SourceKind(
    name="ews",
    title="Exchange Server mailbox (EWS)",
    settings=EwsSettings,
    fields=(*LOGIN, "mailboxes", "access", "journal", "owner", "delete"),
    more=(*FOLDER_FIELDS, *TOKENS, "timeout", *LINE, *ROUTING),
    rules=(*ON_A_SERVER, *WHOSE, *WHICH, _exchange),
    opens="ews.source:EwsSource",
    page="docs/mailboxes.md#exchange-server-ews",
    server=True,
    regenerates=True,
    ports={"tls": 443, "none": 80},
    auth=(*PASSWORD_AUTH, "app", "device"),
    scopes={
        "app": ("https://{host}/.default",),
        "device": ("https://{host}/EWS.AccessAsUser.All",),
    },
)

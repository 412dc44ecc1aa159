"""The fields of a profile for each kind of source: types, defaults, help texts, and checks.

The configuration, the command line and the app's form all use this table. It imports nothing of the program,
so that clients can use it without the engine.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal["text", "number", "flag", "choice", "path", "password", "list"]

MAX_SECONDS = 366 * 24 * 3600
MAX_DAYS = 36500
MAX_PORT = 65535
UNWANTED = ("@drafts", "@junk", "@deleted", "@outbox", "@all")
"""Folders that are left out by default: drafts, junk, deleted mail, the outbox, and views of all mail."""
AUTH = ("password", "ntlm", "basic", "app", "device", "google")
"""How to log in: with a password (to Exchange by NTLM or Basic, or by what it offers); with OAuth 2 as an
application, as a person who signs in, or at Google."""
PASSWORD_AUTH = ("password", "ntlm", "basic")
ACCESS = ("own", "delegate", "impersonation")
"""How an Exchange Server opens a mailbox: for its owner, for a delegate, or by impersonation of its owner."""
USES = ("inbox", "sent", "drafts", "junk", "deleted", "archive", "outbox", "all")
"""The uses of folders, which a pattern names as `@use`."""
EXCHANGE_ONLINE = (
    "this is Exchange Online, where EWS is blocked since 2026-10-01 unless the tenant has allow-listed the "
    "application, and ends for everyone on 2027-04-01: use a profile of kind graph instead"
)
_EXCHANGE_ONLINE = (".office365.com", ".office.com", ".outlook.com", ".office365.us", ".outlook.cn")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_FINGERPRINT = re.compile(r"(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}\Z")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}\Z")
_URL = re.compile(r"https://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._/-]*)?\Z")
_DOMAIN = re.compile(r"[^\s@,;<>\"]+\Z")


@dataclass(frozen=True, slots=True)
class ProfileField:
    """One field of a table `[profile.NAME]` in vault.toml."""

    name: str
    label: str
    """Its label in the form of the app."""
    type: Type
    help: str
    """One sentence that says what to enter."""
    default: Any = None
    """Its value if it is left out; None if that depends on the kind, or if there is no default."""
    metavar: str = ""
    """The name of its value in the help of the command line."""
    choices: tuple[str, ...] = ()
    """Its possible values, if there are only some."""
    switch: str = ""
    """For a flag: its two options of the command line."""
    says: tuple[str, str] = ("yes", "no")
    """For a flag: the words for true and false."""
    least: int = 1
    """For a number: its smallest value."""
    most: int = MAX_SECONDS
    """For a number: its largest value."""


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source."""

    name: str
    title: str
    """Its name for people, in a few words."""
    fields: tuple[str, ...]
    """The fields that the form shows at first, in this order; `enabled` and `every` follow for all kinds."""
    more: tuple[str, ...]
    """The fields that the form shows on request, since their defaults are usually right."""
    server: bool = False
    """Whether it is on a network, so that host, mailbox and password are needed."""
    files: bool = False
    """Whether it is a file or folder, so that path is needed."""
    journal: bool = False
    """Whether journal reports are unwrapped by default. True if only an administrator can put mail there."""
    delete: bool = False
    """Whether kept mail is deleted at the source by default."""
    regenerates: bool = False
    """Whether the service writes a message's bytes again at each fetch, so that they are not the original."""
    host: str = ""
    """The server's name, if it is usually the same."""
    auth: tuple[str, ...] = ("password",)
    """The possible ways to log in, the usual one first."""


FIELDS: tuple[ProfileField, ...] = (
    ProfileField("host", "Host", "text", "The server's name.", "", "H"),
    ProfileField("port", "Port", "number", "Its port, if not the usual one.", None, "P", most=MAX_PORT),
    ProfileField("mailbox", "Mailbox", "text", "Login name; for a gateway, the part after @ is dropped.", "",
        "ID"),
    ProfileField("mailboxes", "Mailboxes", "list", "Several mailboxes instead of one, by address; * for all.",
        (), "ADDR"),
    ProfileField("access", "Access", "choice", "How other people's mailboxes are opened.", "own",
        choices=ACCESS),
    ProfileField("password", "Password", "password", "Where it is stored; it is never in vault.toml."),
    ProfileField("auth", "Log in by", "choice",
        "A password (Exchange: NTLM, Basic), or OAuth 2 as an application, a person, or at Google.",
        choices=AUTH),
    ProfileField("directory", "Directory (tenant) ID", "text",
        "The tenant in Microsoft 365: its id or its domain.", "", "T"),
    ProfileField("client_id", "Application (client) ID", "text",
        "Its id in Entra; its secret is the password.", "", "ID"),
    ProfileField("certificate", "Certificate", "path",
        "Instead of a secret: PEM with certificate and key; for Google the key file (JSON).", "", "F"),
    ProfileField("authority", "Authority", "text",
        "URL of the token service, if not Microsoft's public cloud.", "https://login.microsoftonline.com",
        "URL"),
    ProfileField("path", "Path", "path", "The file or folder of a maildir, mbox or eml source.", "", "PATH"),
    ProfileField("folder", "Folder", "text", "IMAP folder for journal reports.", "INBOX", "NAME"),
    ProfileField("folders", "Folders", "list", "Folders of an ordinary mailbox to archive; by default all.",
        (), "NAME"),
    ProfileField("exclude", "Excluded folders", "list",
        "Folders to leave out, by name or use, such as @junk.", UNWANTED, "NAME"),
    ProfileField("shared", "Folders of others", "flag",
        "Whether folders of others and public ones are also read; nothing is deleted there.", False,
        switch="--shared/--own", says=("read as well", "left out")),
    ProfileField("older_than", "Older than (days)", "number", "Archive only mail older than this many days.",
        0, "DAYS", least=0, most=MAX_DAYS),
    ProfileField("newer_than", "Newer than (days)", "number",
        "Archive only mail newer than this many days; 0 for all.", 0, "DAYS", least=0, most=MAX_DAYS),
    ProfileField("delete", "Delete after archiving", "flag",
        "Whether safely kept mail is deleted at the source.", switch="--delete/--keep"),
    ProfileField("delete_after", "Delete after (days)", "number",
        "Delete only mail older than this many days.", 0, "DAYS", least=0, most=MAX_DAYS),
    ProfileField("every", "Every (seconds)", "number", "Seconds between two runs.", 300, "S"),
    ProfileField("timeout", "Timeout (seconds)", "number", "Longest time for a network operation.", 300, "S"),
    ProfileField("journal", "Content", "flag", "Whether journal reports are unwrapped.",
        switch="--journal/--no-journal", says=("journal reports", "one person's own mail")),
    ProfileField("tenant", "Tenant", "text", "Trust only reports whose Sender is this address.", "", "ADDR"),
    ProfileField("plain", "Non-report mail", "choice", "Where mail goes that is not a journal report.",
        choices=("route", "catch-all")),
    ProfileField("unknown", "Mail of strangers", "choice", "What happens to mail of unknown people.",
        "catch-all", choices=("catch-all", "leave")),
    ProfileField("owner", "Owner", "text", "Owner's address, if the mailbox gets no journal reports.", "",
        "ADDR"),
    ProfileField("security", "Security", "choice", "How the connection is secured.",
        choices=("tls", "starttls", "none")),
    ProfileField("fingerprint", "Certificate's SHA-256", "text",
        "Trust only the certificate with this SHA-256.", "", "HEX"),
    ProfileField("ca_file", "Authorities (PEM file)", "path", "Trust the authorities in this PEM file.", "",
        "F"),
    ProfileField("enabled", "Run", "flag", "Whether the service and --all run it.", True,
        switch="--enabled/--disabled", says=("automatically", "by hand only")),
)  # fmt: skip
FIELD: dict[str, ProfileField] = {field.name: field for field in FIELDS}
SCHEDULE = ("enabled", "every")

_LOGIN = ("host", "mailbox", "password")
_LINE = ("port", "security", "fingerprint", "ca_file")
_OAUTH = ("auth", "directory", "client_id", "certificate", "authority")
_ANY_SERVER = ("password", "app", "device", "google")
_TREE = ("folders", "exclude", "older_than", "newer_than", "delete_after")
_ROUTING = ("tenant", "plain", "unknown")

KINDS: tuple[SourceKind, ...] = (
    SourceKind("gateway", "Gateway mailbox (POP3 with STLS, as MailStore Gateway)",
        (*_LOGIN, "delete", "timeout"), (*_LINE, *_ROUTING, "journal", "owner"),
        server=True, journal=True, delete=True),
    SourceKind("imap", "IMAP mailbox", (*_LOGIN, "folder", "journal", "owner", "delete"),
        (*_TREE, "shared", *_OAUTH, "timeout", *_LINE, *_ROUTING), server=True, auth=_ANY_SERVER),
    SourceKind("pop3", "POP3 mailbox", (*_LOGIN, "journal", "owner", "delete"),
        (*_OAUTH, "timeout", *_LINE, *_ROUTING), server=True, auth=_ANY_SERVER),
    SourceKind("ews", "Exchange Server mailbox (EWS)",
        (*_LOGIN, "mailboxes", "access", "journal", "owner", "delete"),
        (*_TREE, *_OAUTH, "timeout", *_LINE, *_ROUTING), server=True, regenerates=True,
        auth=(*PASSWORD_AUTH, "app", "device")),
    SourceKind("graph", "Microsoft 365 mailbox (Graph)",
        ("mailbox", "mailboxes", "auth", "directory", "client_id", "password", "certificate", "owner",
          "delete"),
         (*_TREE, "authority", "host", "port", "ca_file", "timeout"),
         server=True, regenerates=True, host="graph.microsoft.com", auth=("app", "device")),
    SourceKind("spool", "Muniment's own gateway (SMTP)", ("delete",), ("path", *_ROUTING, "journal", "owner"),
        journal=True, delete=True),
    SourceKind("maildir", "Maildir folder", ("path", "delete"), (*_ROUTING, "journal", "owner"),
        files=True, journal=True),
    SourceKind("mbox", "mbox file", ("path",), (*_ROUTING, "journal", "owner"), files=True, journal=True),
    SourceKind("eml", "Folder of .eml files", ("path", "delete"), (*_ROUTING, "journal", "owner"),
        files=True, journal=True),
)  # fmt: skip
KIND: dict[str, SourceKind] = {kind.name: kind for kind in KINDS}


def asked(kind: SourceKind) -> tuple[ProfileField, ...]:
    """The fields of a kind that the form shows at first, with the schedule at the end."""
    return tuple(FIELD[name] for name in (*kind.fields, *SCHEDULE))


def folded(kind: SourceKind) -> tuple[ProfileField, ...]:
    """The fields of a kind that the form shows on request."""
    return tuple(FIELD[name] for name in kind.more)


def default(kind: SourceKind, field: str) -> Any:
    """The value of a field that is left out, for a kind; None if that depends on other fields."""
    if field in ("journal", "delete"):
        return getattr(kind, field)
    if field == "auth":
        return kind.auth[0]
    return FIELD[field].default


def choices(kind: SourceKind, field: ProfileField) -> tuple[str, ...]:
    """The possible values of a field, for a kind; empty for any."""
    return kind.auth if field.name == "auth" else field.choices


def tidied(kind: SourceKind, field: str, typed: str) -> str:
    """A typed text without blanks around it; a gateway's mailbox also without the part from @ on."""
    text = typed.strip()
    return text.partition("@")[0].strip() if (kind.name, field) == ("gateway", "mailbox") else text


def name_problem(name: str) -> str:
    """What is wrong with a profile's name; "" if it is valid."""
    if _NAME.match(name):
        return ""
    return f"a profile can't be named {name[:80]!r}: use at most 64 letters, digits, - _ and ."


def problems(kind: SourceKind, fields: Mapping[str, Any]) -> dict[str, str]:
    """Check the fields of a profile.

    Args:
        kind: The kind of source.
        fields: The fields, with the types of vault.toml. A field that is missing or None has its default.

    Returns:
        The first error of each wrong field, as a sentence; {} if there are none.
    """
    found: dict[str, str] = {}
    values = {field.name: fields.get(field.name) for field in FIELDS}
    for name, value in values.items():
        value = default(kind, name) if value is None else value
        values[name] = tuple(value) if isinstance(value, list) else value
    for rule in _RULES:
        for name, sentence in rule(kind, values):
            found.setdefault(name, sentence)
    return found


def warnings(kind: SourceKind, fields: Mapping[str, Any]) -> dict[str, str]:
    """Values that are valid and may surprise, as a sentence for each field."""
    deletes = default(kind, "delete") if fields.get("delete") is None else fields["delete"]
    journal = default(kind, "journal") if fields.get("journal") is None else fields["journal"]
    if kind.delete and not deletes:
        return {"delete": "mail stays at the gateway after archiving: its mailbox will fill up"}
    if kind.server and deletes and not journal:
        return {"delete": "its owner will no longer find archived mail in this mailbox"}
    return {}


# --- rules: each yields (field, sentence) --------------------------------------------------------

_Problems = Iterator[tuple[str, str]]


def _numbers(kind: SourceKind, values: Mapping[str, Any]) -> _Problems:
    port = values["port"]
    if port is not None and not 1 <= port <= MAX_PORT:
        yield "port", f"port must be from 1 to {MAX_PORT}"
    for key in ("timeout", "every"):
        if not 1 <= values[key] <= MAX_SECONDS:
            yield key, f"{key} must be from 1 to {MAX_SECONDS} (seconds)"
    for key in ("older_than", "newer_than", "delete_after"):
        if not 0 <= values[key] <= MAX_DAYS:
            yield key, f"{key} must be from 0 to {MAX_DAYS} (days)"


def _network(kind: SourceKind, values: Mapping[str, Any]) -> _Problems:
    if not kind.server:
        return
    host = values["host"] or kind.host
    if not host:
        yield "host", f"a profile of kind {kind.name} needs host: the mail server's name"
    if any(c.isspace() or c in "/@" for c in host):
        yield "host", "host must be only a server's name or address, such as mail.example.org"
    # An application has no mailbox of its own.
    needless = values["mailboxes"] and (values["auth"] == "app" or kind.name == "graph")
    if not tidied(kind, "mailbox", values["mailbox"]) and not needless:
        yield "mailbox", "mailbox is missing; give the name to log in with"
    if values["password"] is None and not (
        values["auth"] in ("device", "google") or (values["auth"] == "app" and values["certificate"])
    ):
        yield (
            "password",
            'password is missing; say where it is stored, such as password = { file = "secret" }',
        )
    if values["security"] == "none" and not is_loopback(host):
        yield (
            "security",
            'security = "none" would send the password unencrypted; use "starttls" or "tls"'
            " (none is only for this machine)",
        )
    if values["fingerprint"] and not _FINGERPRINT.match(values["fingerprint"]):
        yield (
            "fingerprint",
            "fingerprint must be the certificate's SHA-256: 64 hex digits, colons allowed",
        )
    for key in ("mailbox", "folder"):
        if any(c in "\r\n\0" for c in values[key]):
            yield key, f"{key} must be on one line"


def _paths(kind: SourceKind, values: Mapping[str, Any]) -> _Problems:
    if kind.files and not values["path"]:
        yield "path", f"a profile of kind {kind.name} needs path: the file or folder to read"
    if kind.name == "mbox" and values["delete"]:
        yield "delete", "nothing can be deleted in an mbox file; leave delete out"


def _people(kind: SourceKind, values: Mapping[str, Any]) -> _Problems:
    owned = values["owner"] or "@" in values["mailbox"] or values["mailboxes"]
    if not values["journal"] and not owned:
        yield (
            "owner",
            'an ordinary mailbox needs owner = "address of its owner"'
            " (or journal = true if it gets journal reports)",
        )
    for key in ("owner", "tenant"):
        if values[key] and not is_address(values[key]):
            yield key, f"{key} must be a mail address, such as name@example.org"


def _oauth(kind: SourceKind, values: Mapping[str, Any]) -> _Problems:
    auth = values["auth"]
    if auth not in kind.auth:
        ways = " or ".join(kind.auth)
        yield "auth", f"a profile of kind {kind.name} can't log in by {auth}; auth must be {ways}"
    if auth in ("app", "device"):
        for key in ("directory", "client_id"):
            if not values[key]:
                yield key, f"{key} is missing; the Entra admin centre shows it with the application"
            elif not _ID.match(values[key]):
                yield key, f"{key} must be a domain or an id, such as contoso.onmicrosoft.com"
    if auth == "google" and not values["certificate"]:
        yield "certificate", "certificate is missing; name the service account's key file (JSON)"
    if not _URL.match(values["authority"]):
        yield "authority", "authority must be an address such as https://login.microsoftonline.us"


def _tree(kind: SourceKind, values: Mapping[str, Any]) -> _Problems:
    for key in _TREE:
        if values[key] != FIELD[key].default and (key not in (*kind.fields, *kind.more) or values["journal"]):
            yield (
                key,
                f"{key} is for ordinary mailboxes with folders (imap, ews, graph), with journal = false",
            )
    if values["shared"] and (kind.name != "imap" or values["journal"]):
        yield "shared", "shared is for ordinary IMAP mailboxes, with journal = false"
    if kind.name == "imap" and not values["journal"] and values["folder"] != FIELD["folder"].default:
        yield "folder", "folder is for journal reports; use folders = [...] for an ordinary mailbox"
    if values["newer_than"] and values["newer_than"] <= values["older_than"]:
        yield "newer_than", "newer_than must be more days than older_than, or nothing is left to archive"
    for key in ("folders", "exclude"):
        for pattern in values[key]:
            if pattern.startswith("@") and pattern[1:].lower() not in USES:
                yield key, f"{key}: {pattern!r} is not a use of folders; the uses are @{', @'.join(USES)}"


def _exchange(kind: SourceKind, values: Mapping[str, Any]) -> _Problems:
    several = values["mailboxes"]
    for key in ("mailboxes", "access"):
        if values[key] != FIELD[key].default and key not in (*kind.fields, *kind.more):
            yield key, f"a profile of kind {kind.name} has no {key}"
    for one in several:
        if one != "*" and not is_address(one):
            yield (
                "mailboxes",
                f'mailboxes: {one!r} is not a mail address; write ["name@example.org"] or ["*"]',
            )
    if "*" in several and len(several) > 1:
        yield "mailboxes", 'mailboxes: "*" means all, so it must be the only entry'
    if kind.name != "ews":
        return
    if is_exchange_online(values["host"]):
        yield "host", EXCHANGE_ONLINE
    if several and values["access"] == "own":
        yield "access", 'access must be "impersonation" or "delegate" to open the mailboxes of others'
    if not several and values["access"] != "own":
        yield (
            "mailboxes",
            f"access = {values['access']!r} is for the mailboxes of others: name them in mailboxes",
        )
    if values["security"] == "starttls":
        yield "security", 'Exchange Web Services have no STARTTLS; use security = "tls"'


def _graph(kind: SourceKind, values: Mapping[str, Any]) -> _Problems:
    if kind.name != "graph":
        return
    if values["journal"]:
        yield "journal", "a mailbox in Exchange Online can't get journal reports; leave journal out"
    if values["security"] not in (None, "tls") or values["fingerprint"]:
        yield "security", "Microsoft Graph always uses TLS with its own certificate; leave this out"
    if values["mailboxes"] and values["mailbox"]:
        yield "mailboxes", "name either one mailbox or several"
    if values["mailboxes"] and values["owner"]:
        yield "owner", "with several mailboxes, each address is the owner; leave owner out"
    if values["mailboxes"] and values["auth"] == "device":
        yield "mailboxes", 'a person who signs in has one mailbox; several need auth = "app"'


_RULES: tuple[Callable[[SourceKind, Mapping[str, Any]], _Problems], ...] = (
    _numbers,
    _network,
    _paths,
    _people,
    _oauth,
    _tree,
    _exchange,
    _graph,
)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_exchange_online(host: str) -> bool:
    """Whether a host belongs to Exchange Online, in any of Microsoft's clouds."""
    return f".{host.lower().rstrip('.')}".endswith(_EXCHANGE_ONLINE)


def is_domain(text: str) -> bool:
    """Whether `text` looks like a mail domain."""
    return bool(_DOMAIN.match(text))


def is_address(text: str) -> bool:
    """Whether `text` looks like one mail address."""
    local, at, domain = text.rpartition("@")
    return bool(local and at and _DOMAIN.match(domain)) and not any(c.isspace() or c in "<>," for c in local)

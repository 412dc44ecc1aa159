"""The fields of a profile, by kind of source: types, defaults, what to say about them, and what is wrong.

The one table that the configuration, the command line and the app's form go by. It loads nothing
else, so that clients may use it without the engine.
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
"""Folders that are left out by default: not sent, unasked for, thrown away, or seen twice."""
AUTH = ("password", "ntlm", "basic", "app", "device", "google")
"""How to log in: with a password (to Exchange by NTLM or Basic, or what it offers); with OAuth 2 as an
application, as a person who signs in, or for Google."""
PASSWORD_AUTH = ("password", "ntlm", "basic")
ACCESS = ("own", "delegate", "impersonation")
"""As whom an Exchange Server opens a mailbox: as its owner, as a delegate, or impersonating its owner."""
USES = ("inbox", "sent", "drafts", "junk", "deleted", "archive", "outbox", "all")
"""What a folder can be for, as `@use` names it in a pattern."""
EXCHANGE_ONLINE = (
    "this is Exchange Online, where EWS is blocked since 2026-10-01 unless the tenant has allow-listed the "
    "application, and ends for all on 2027-04-01: use a profile of kind graph instead"
)
_EXCHANGE_ONLINE = (".office365.com", ".office.com", ".outlook.com", ".office365.us", ".outlook.cn")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_FINGERPRINT = re.compile(r"(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}\Z")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}\Z")
_URL = re.compile(r"https://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._/-]*)?\Z")
_DOMAIN = re.compile(r"[^\s@,;<>\"]+\Z")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a profile, as `[profile.NAME]` of vault.toml has it."""

    name: str
    label: str
    """What it is called where people fill it in."""
    type: Type
    help: str
    """A sentence for who asks what to put there."""
    default: Any = None
    """What counts when it is left out; None where that depends on the kind, or there is none."""
    metavar: str = ""
    """What stands for its value in a command line."""
    choices: tuple[str, ...] = ()
    switch: str = ""
    """For a flag: its two options of the command line."""
    says: tuple[str, str] = ("yes", "no")
    """For a flag: what true and false mean."""
    least: int = 1
    most: int = MAX_SECONDS
    """For a number: its bounds, both allowed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source."""

    name: str
    title: str
    """What it is, in a few words."""
    fields: tuple[str, ...]
    """What is asked for at once, in this order; `enabled` and `every` follow for all kinds."""
    more: tuple[str, ...]
    """What is folded away, since its default is nearly always right."""
    server: bool = False
    """Whether it is reached over a network: host, mailbox and password are needed."""
    files: bool = False
    """Whether it is a file or folder: path is needed."""
    journal: bool = False
    """Whether journal reports are unwrapped by default: true where an administrator hands the mail over."""
    delete: bool = False
    """Whether kept mail is deleted at the source by default."""
    regenerates: bool = False
    """Whether the service makes a message's bytes anew at each fetch, so that they are no original."""
    host: str = ""
    """The server's name, where it is the same for nearly everybody."""
    auth: tuple[str, ...] = ("password",)
    """Ways to log in, the usual one first."""


FIELDS: tuple[Field, ...] = (
    Field("host", "Host", "text", "The server's name.", "", "H"),
    Field("port", "Port", "number", "Its port, if not the usual one.", None, "P", most=MAX_PORT),
    Field("mailbox", "Mailbox", "text", "Login name; for a gateway what follows @ is dropped.", "", "ID"),
    Field("mailboxes", "Mailboxes", "list", "Several mailboxes instead of one, by address; * for all.",
          (), "ADDR"),
    Field("access", "Access", "choice", "As whom others' mailboxes are opened.", "own", choices=ACCESS),
    Field("password", "Password", "password", "Where it comes from; it never stands in vault.toml."),
    Field("auth", "Log in by", "choice",
          "A password (Exchange: NTLM, Basic), or OAuth 2 as an application, a person, or for Google.",
          choices=AUTH),
    Field("directory", "Directory", "text", "Microsoft 365 tenant: its domain, or its id.", "", "T"),
    Field("client_id", "Application", "text", "Its id in Entra; its secret is the password.", "", "ID"),
    Field("certificate", "Certificate", "path",
          "Instead of a secret: PEM with certificate and key; for Google the key file (JSON).", "", "F"),
    Field("authority", "Authority", "text", "Where tokens come from, if not from Microsoft's public cloud.",
          "https://login.microsoftonline.com", "URL"),
    Field("path", "Path", "path", "The file or folder of a maildir, mbox or eml source.", "", "PATH"),
    Field("folder", "Folder", "text", "IMAP folder that journal reports arrive in.", "INBOX", "NAME"),
    Field("folders", "Folders", "list", "Folders of an ordinary mailbox to archive; all if none is named.",
          (), "NAME"),
    Field("exclude", "Leave out", "list", "Folders to leave out, by name or use, such as @junk.",
          UNWANTED, "NAME"),
    Field("shared", "Folders of others", "flag",
          "Whether folders of others and public ones are read, too; nothing is deleted there.", False,
          switch="--shared/--own", says=("read as well", "left out")),
    Field("older_than", "Older than (days)", "number", "Archive only what is older than so many days.", 0,
          "DAYS", least=0, most=MAX_DAYS),
    Field("newer_than", "Newer than (days)", "number",
          "Archive only what is newer than so many days; 0 for all.", 0, "DAYS", least=0, most=MAX_DAYS),
    Field("delete", "Delete after archiving", "flag", "Delete at the source what is safely kept, or not.",
          switch="--delete/--keep"),
    Field("delete_after", "Delete after (days)", "number", "Delete only what is older than so many days.", 0,
          "DAYS", least=0, most=MAX_DAYS),
    Field("every", "Every (seconds)", "number", "Seconds between two runs of the service.", 300, "S"),
    Field("timeout", "Timeout (seconds)", "number", "Seconds a network operation may take.", 300, "S"),
    Field("journal", "What arrives there", "flag", "Whether journal reports are unwrapped.",
          switch="--journal/--no-journal", says=("journal reports", "one person's own mail")),
    Field("tenant", "Tenant", "text", "Trust only reports whose Sender is this address.", "", "ADDR"),
    Field("plain", "Mail that is no report", "choice", "Where mail goes that is no report.",
          choices=("route", "catch-all")),
    Field("unknown", "Mail of nobody known", "choice", "What becomes of nobody's mail.", "catch-all",
          choices=("catch-all", "leave")),
    Field("owner", "Owner", "text", "Whose mailbox it is, where no journal reports arrive.", "", "ADDR"),
    Field("security", "Security", "choice", "How the line is secured.", choices=("tls", "starttls", "none")),
    Field("fingerprint", "Certificate's SHA-256", "text",
          "Trust the certificate with this SHA-256, and no other.", "", "HEX"),
    Field("ca_file", "Authorities (PEM file)", "path", "Trust the authorities in this PEM file.", "", "F"),
    Field("enabled", "Run", "flag", "Whether the service and --all run it.", True,
          switch="--enabled/--disabled", says=("automatically", "by hand only")),
)  # fmt: skip
FIELD: dict[str, Field] = {field.name: field for field in FIELDS}
SCHEDULE = ("enabled", "every")

_LOGIN = ("host", "mailbox", "password")
_LINE = ("port", "security", "fingerprint", "ca_file")
_OAUTH = ("auth", "directory", "client_id", "certificate", "authority")
_ANY_SERVER = ("password", "app", "device", "google")
_TREE = ("folders", "exclude", "older_than", "newer_than", "delete_after")
_ROUTING = ("tenant", "plain", "unknown")

KINDS: tuple[Kind, ...] = (
    Kind("gateway", "Gateway mailbox (POP3 with STLS, as MailStore Gateway)",
         (*_LOGIN, "delete", "timeout"), (*_LINE, *_ROUTING, "journal", "owner"),
         server=True, journal=True, delete=True),
    Kind("imap", "IMAP mailbox", (*_LOGIN, "folder", "journal", "owner", "delete"),
         (*_TREE, "shared", *_OAUTH, "timeout", *_LINE, *_ROUTING), server=True, auth=_ANY_SERVER),
    Kind("pop3", "POP3 mailbox", (*_LOGIN, "journal", "owner", "delete"),
         (*_OAUTH, "timeout", *_LINE, *_ROUTING), server=True, auth=_ANY_SERVER),
    Kind("ews", "Exchange Server mailbox (EWS)",
         (*_LOGIN, "mailboxes", "access", "journal", "owner", "delete"),
         (*_TREE, *_OAUTH, "timeout", *_LINE, *_ROUTING), server=True, regenerates=True,
         auth=(*PASSWORD_AUTH, "app", "device")),
    Kind("graph", "Microsoft 365 mailbox (Graph)",
         ("mailbox", "mailboxes", "auth", "directory", "client_id", "password", "certificate", "owner",
          "delete"),
         (*_TREE, "authority", "host", "port", "ca_file", "timeout"),
         server=True, regenerates=True, host="graph.microsoft.com", auth=("app", "device")),
    Kind("spool", "Muniment's own gateway (SMTP)", ("delete",), ("path", *_ROUTING, "journal", "owner"),
         journal=True, delete=True),
    Kind("maildir", "Maildir folder", ("path", "delete"), (*_ROUTING, "journal", "owner"),
         files=True, journal=True),
    Kind("mbox", "mbox file", ("path",), (*_ROUTING, "journal", "owner"), files=True, journal=True),
    Kind("eml", "Folder of .eml files", ("path", "delete"), (*_ROUTING, "journal", "owner"),
         files=True, journal=True),
)  # fmt: skip
KIND: dict[str, Kind] = {kind.name: kind for kind in KINDS}


def asked(kind: Kind) -> tuple[Field, ...]:
    """The fields of a kind that are asked for at once, the schedule last."""
    return tuple(FIELD[name] for name in (*kind.fields, *SCHEDULE))


def folded(kind: Kind) -> tuple[Field, ...]:
    """The fields of a kind that are folded away."""
    return tuple(FIELD[name] for name in kind.more)


def default(kind: Kind, field: str) -> Any:
    """What counts for a kind when a field is left out; None where that depends on other fields."""
    if field in ("journal", "delete"):
        return getattr(kind, field)
    if field == "auth":
        return kind.auth[0]
    return FIELD[field].default


def choices(kind: Kind, field: Field) -> tuple[str, ...]:
    """What a field can be in a profile of a kind."""
    return kind.auth if field.name == "auth" else field.choices


def tidied(kind: Kind, field: str, typed: str) -> str:
    """A text as it is meant: without blanks around it; a gateway's mailbox without the part from @ on."""
    text = typed.strip()
    return text.partition("@")[0].strip() if (kind.name, field) == ("gateway", "mailbox") else text


def name_problem(name: str) -> str:
    """What is wrong with a profile's name; "" for nothing."""
    if _NAME.match(name):
        return ""
    return f"a profile can't be called {name[:80]!r}: use letters, digits, - _ and . (64 at most)"


def problems(kind: Kind, fields: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong, a sentence a field; of several in one field the first. {} when they go together.

    `fields` are those of vault.toml, in its types; one that is missing or None has its default.
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


def warnings(kind: Kind, fields: Mapping[str, Any]) -> dict[str, str]:
    """What may be meant, and should be known, a sentence a field."""
    deletes = default(kind, "delete") if fields.get("delete") is None else fields["delete"]
    journal = default(kind, "journal") if fields.get("journal") is None else fields["journal"]
    if kind.delete and not deletes:
        return {"delete": "mail stays at the gateway after archiving: its mailbox will fill up"}
    if kind.server and deletes and not journal:
        return {"delete": "its owner will no longer find archived mail in this mailbox"}
    return {}


# --- rules: each yields (field, sentence) --------------------------------------------------------

_Problems = Iterator[tuple[str, str]]


def _numbers(kind: Kind, values: Mapping[str, Any]) -> _Problems:
    port = values["port"]
    if port is not None and not 1 <= port <= MAX_PORT:
        yield "port", f"port must be from 1 to {MAX_PORT}"
    for key in ("timeout", "every"):
        if not 1 <= values[key] <= MAX_SECONDS:
            yield key, f"{key} must be from 1 to {MAX_SECONDS} (seconds)"
    for key in ("older_than", "newer_than", "delete_after"):
        if not 0 <= values[key] <= MAX_DAYS:
            yield key, f"{key} must be from 0 to {MAX_DAYS} (days)"


def _network(kind: Kind, values: Mapping[str, Any]) -> _Problems:
    if not kind.server:
        return
    host = values["host"] or kind.host
    if not host:
        yield "host", f"a profile of kind {kind.name} needs host: the mail server's name"
    if any(c.isspace() or c in "/@" for c in host):
        yield "host", "host must be a server's name or address alone, such as mail.example.org"
    # An application has no mailbox of its own.
    nobody = values["mailboxes"] and (values["auth"] == "app" or kind.name == "graph")
    if not tidied(kind, "mailbox", values["mailbox"]) and not nobody:
        yield "mailbox", "mailbox is missing; give the name to log in with"
    if values["password"] is None and not (
        values["auth"] in ("device", "google") or (values["auth"] == "app" and values["certificate"])
    ):
        yield (
            "password",
            'password is missing; say where it comes from, such as password = { file = "secret" }',
        )
    if values["security"] == "none" and not is_loopback(host):
        yield (
            "security",
            'security = "none" would send the password in clear; use "starttls" or "tls"'
            " (none is for this machine alone)",
        )
    if values["fingerprint"] and not _FINGERPRINT.match(values["fingerprint"]):
        yield (
            "fingerprint",
            "fingerprint must be the certificate's SHA-256: 64 hex digits, colons allowed",
        )
    for key in ("mailbox", "folder"):
        if any(c in "\r\n\0" for c in values[key]):
            yield key, f"{key} must stand on one line"


def _paths(kind: Kind, values: Mapping[str, Any]) -> _Problems:
    if kind.files and not values["path"]:
        yield "path", f"a profile of kind {kind.name} needs path: the file or folder to read"
    if kind.name == "mbox" and values["delete"]:
        yield "delete", "nothing can be deleted in an mbox file; leave delete out"


def _people(kind: Kind, values: Mapping[str, Any]) -> _Problems:
    owned = values["owner"] or "@" in values["mailbox"] or values["mailboxes"]
    if not values["journal"] and not owned:
        yield (
            "owner",
            'an ordinary mailbox needs owner = "address of the person whose mail it is"'
            " (or journal = true where journal reports arrive)",
        )
    for key in ("owner", "tenant"):
        if values[key] and not is_address(values[key]):
            yield key, f"{key} must be a mail address, such as name@example.org"


def _oauth(kind: Kind, values: Mapping[str, Any]) -> _Problems:
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


def _tree(kind: Kind, values: Mapping[str, Any]) -> _Problems:
    for key in _TREE:
        if values[key] != FIELD[key].default and (key not in (*kind.fields, *kind.more) or values["journal"]):
            yield (
                key,
                f"{key} is for people's mailboxes that know folders (imap, ews, graph), with journal = false",
            )
    if values["shared"] and (kind.name != "imap" or values["journal"]):
        yield "shared", "shared is for people's IMAP mailboxes, with journal = false"
    if kind.name == "imap" and not values["journal"] and values["folder"] != FIELD["folder"].default:
        yield "folder", "folder is where journal reports arrive; use folders = [...] for an ordinary mailbox"
    if values["newer_than"] and values["newer_than"] <= values["older_than"]:
        yield "newer_than", "newer_than must be more days than older_than, or nothing is left to archive"
    for key in ("folders", "exclude"):
        for pattern in values[key]:
            if pattern.startswith("@") and pattern[1:].lower() not in USES:
                yield key, f"{key}: {pattern!r} is no use of folders; there are @{', @'.join(USES)}"


def _exchange(kind: Kind, values: Mapping[str, Any]) -> _Problems:
    several = values["mailboxes"]
    for key in ("mailboxes", "access"):
        if values[key] != FIELD[key].default and key not in (*kind.fields, *kind.more):
            yield key, f"a profile of kind {kind.name} has no {key}"
    for one in several:
        if one != "*" and not is_address(one):
            yield "mailboxes", f'mailboxes: {one!r} is no mail address; write ["name@example.org"] or ["*"]'
    if "*" in several and len(several) > 1:
        yield "mailboxes", 'mailboxes: "*" means all, and stands alone'
    if kind.name != "ews":
        return
    if is_exchange_online(values["host"]):
        yield "host", EXCHANGE_ONLINE
    if several and values["access"] == "own":
        yield "access", 'access must be "impersonation" or "delegate" where mailboxes names those of others'
    if not several and values["access"] != "own":
        yield "mailboxes", f"access = {values['access']!r} opens others' mailboxes: name them in mailboxes"
    if values["security"] == "starttls":
        yield "security", 'Exchange Web Services know no STARTTLS; use security = "tls"'


def _graph(kind: Kind, values: Mapping[str, Any]) -> _Problems:
    if kind.name != "graph":
        return
    if values["journal"]:
        yield "journal", "Exchange Online keeps no mailbox for journal reports; leave journal out"
    if values["security"] not in (None, "tls") or values["fingerprint"]:
        yield "security", "Microsoft Graph is reached over TLS with its own certificate; leave this out"
    if values["mailboxes"] and values["mailbox"]:
        yield "mailboxes", "name either one mailbox or several"
    if values["mailboxes"] and values["owner"]:
        yield "owner", "several mailboxes belong to their own addresses; leave owner out"
    if values["mailboxes"] and values["auth"] == "device":
        yield "mailboxes", 'a person who signs in has one mailbox; several need auth = "app"'


_RULES: tuple[Callable[[Kind, Mapping[str, Any]], _Problems], ...] = (
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
    """Whether a host name or address is this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_exchange_online(host: str) -> bool:
    """Whether a host is Microsoft's own, in its clouds for the world and for governments."""
    return f".{host.lower().rstrip('.')}".endswith(_EXCHANGE_ONLINE)


def is_domain(text: str) -> bool:
    """Whether `text` looks like a mail domain."""
    return bool(_DOMAIN.match(text))


def is_address(text: str) -> bool:
    """Whether `text` looks like one mail address."""
    local, at, domain = text.rpartition("@")
    return bool(local and at and _DOMAIN.match(domain)) and not any(c.isspace() or c in "<>," for c in local)

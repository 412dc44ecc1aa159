"""The fields of a profile: types, defaults, help texts, and checks of single values.

The configuration, the command line and the app's form all use this table. It imports nothing of the program,
so that clients can use it without the engine. `profiles.registry` says which kind of source has which field.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Any, Literal

Type = Literal["text", "number", "flag", "choice", "path", "password", "list"]

MAX_SECONDS = 366 * 24 * 3600
MAX_DAYS = 36500
MAX_PORT = 65535
LONGEST_HOST = 254
"""Most characters of a host's name, with a dot at its end (RFC 1035 3.1)."""
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
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)*\.?\Z")
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
"""The fields that every kind has, and that say when a profile runs."""


def name_problem(name: str) -> str:
    """What is wrong with a profile's name; "" if it is valid."""
    if _NAME.match(name):
        return ""
    return f"a profile can't be named {name[:80]!r}: use at most 64 letters, digits, - _ and ."


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_host(text: str) -> bool:
    """Whether `text` is an IP address, or can be the name of a host."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(_HOST.match(text)) and _can_be_looked_up(text)
    return True


def _can_be_looked_up(name: str) -> bool:
    try:
        if name.rstrip(".").rpartition(".")[2].isdigit():
            socket.inet_aton(name)  # digits at the end are an address, such as 127.1
        return len(name.encode("idna")) <= LONGEST_HOST
    except (OSError, UnicodeError):
        return False


def is_domain(text: str) -> bool:
    """Whether `text` looks like a mail domain."""
    return bool(_DOMAIN.match(text))


def is_address(text: str) -> bool:
    """Whether `text` looks like one mail address."""
    local, at, domain = text.rpartition("@")
    return bool(local and at and _DOMAIN.match(domain)) and not any(c.isspace() or c in "<>," for c in local)

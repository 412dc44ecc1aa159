"""The settings of vault.toml that a form can change: labels, types, defaults, help texts.

Profiles have a table of their own (`profiles.fields`). Every other key of the model is here; a test compares
both. Clients get the table with the values (`api.GetSettings`), so that a form needs no code for a new key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from muniment.config.model import (
    AccessSection,
    ApprovalsSection,
    AuditFeedSection,
    CheckpointsSection,
    ContentsSection,
    EvidenceSection,
    GatewaySection,
    JournalingSection,
    NotifyCommand,
    NotifyMail,
    NotifySection,
    RestoreSection,
    RetentionSection,
    Settings,
)
from muniment.profiles.fields import MAX_PORT, MAX_SECONDS

MAX_HOURS = 366 * 24
MAX_TIMEOUT = 600
SettingType = Literal[
    "text", "number", "flag", "choice", "path", "list", "words", "pairs", "counts", "password", "urls"
]
"""`words` is a command with arguments, `pairs` a table of texts, `counts` a table of numbers, `urls` a
list of addresses that may contain a secret."""


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting."""

    key: str
    """Its dotted path in vault.toml, such as "notify.mail.host"."""
    label: str
    type: SettingType
    help: str
    """One sentence that says what to enter."""
    sample: str = ""
    """A value as an example, for an empty field."""
    choices: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    """For a flag: the words for true and false; for a choice: the words for its choices."""
    least: int = 0
    most: int = 0
    """For a number: its smallest and its largest value."""
    more: bool = False
    """Whether a form shows it only on request, since its default is usually right."""

    @property
    def default(self) -> Any:
        """Its value if it is left out."""
        section, _, name = self.key.rpartition(".")
        return getattr(_DEFAULTS[section], name)


@dataclass(frozen=True, slots=True)
class SettingsSection:
    """Settings that belong together."""

    id: str
    title: str
    help: str
    fields: tuple[SettingField, ...] = ()


_DEFAULTS: dict[str, Any] = {
    "": Settings(), "gateway": GatewaySection(), "access": AccessSection(), "approvals": ApprovalsSection(),
    "journaling": JournalingSection(),
    "audit_feed": AuditFeedSection(), "checkpoints": CheckpointsSection(), "evidence": EvidenceSection(),
    "contents": ContentsSection(),
    "notify": NotifySection(),
    "notify.mail": NotifyMail(), "notify.command": NotifyCommand(), "retention": RetentionSection(),
    "restore": RestoreSection(),
}  # fmt: skip
_FACILITIES = ("audit", "auth", "authpriv", "daemon", "user", *(f"local{number}" for number in range(8)))
_F = SettingField

ORGANISATION = SettingsSection(
    "organisation", "Organisation", "The organisation whose mail is archived.", (
        _F("name", "Name", "text", "The organisation's name, as screens and notifications show it.", "Acme"),
        _F("domains", "Mail domains", "list",
            "Its own domains. People with an address there are made automatically.", "example.org"),
    ),
)  # fmt: skip
NOTIFICATIONS = SettingsSection(
    "notifications", "Notifications", "Who is notified when something is wrong, how, and of what.", (
        _F("notify.mail.by", "Mail is sent by", "choice", "A mail relay (SMTP), or Microsoft Graph.",
            choices=("smtp", "graph"), says=("a mail relay", "Microsoft Graph")),
        _F("notify.mail.host", "Mail relay", "text", "The relay's name; empty for no mail.",
            "smtp.example.org"),
        _F("notify.mail.to", "Send mail to", "list", "Addresses of the recipients.", "admin@example.org"),
        _F("notify.mail.sender", "Sender", "text", "Address in From; empty for the first recipient."),
        _F("notify.mail.login", "Login name", "text",
            "Empty for a relay without a login. With OAuth 2, the mailbox that sends."),
        _F("notify.mail.password", "Password", "password",
            "Where the password or the application's secret is stored."),
        _F("notify.urls", "Services", "urls",
            "Addresses of notification services (Apprise), such as ntfy, Teams or Slack. What you type is "
            "kept in the vault and never shown again.", "ntfy://topic"),
        _F("notify.command.run", "Program", "words",
            "A program on the archive server that gets each notification as JSON.",
            "/usr/local/bin/page --quiet"),
        _F("notify.daily", "Daily summary at", "text", "Local time of day, such as 07:30; empty for none.",
            "07:30"),
        _F("notify.silent_hours", "No reports for (hours)", "number",
            "Tell after this many hours without any journal report; 0 for never.", most=MAX_HOURS),
        _F("notify.silent", "Of one profile (hours)", "counts",
            "The same for single profiles, as NAME = HOURS.", "gateway = 48"),
        _F("notify.certificate_days", "Certificate ends (days)", "number",
            "Tell this many days before; 0 for never.", most=366),
        _F("notify.disk_percent", "Disk almost full (%)", "number",
            "Tell if less of the vault's disk is free; 0 for never.", most=90),
        _F("notify.disk_bytes", "Disk almost full (bytes)", "number",
            "Tell if fewer bytes of the vault's disk are free; 0 for never.", most=1 << 50, more=True),
        _F("notify.behind_minutes", "Search lacks mail (min)", "number",
            "Tell if the index lacks messages for this long; 0 for never.", most=366 * 24 * 60, more=True),
        _F("notify.mail.port", "Port of the relay", "number", "Empty for the usual one.", least=1,
            most=MAX_PORT, more=True),
        _F("notify.mail.security", "Security", "choice", "How the connection to the relay is secured.",
            choices=("starttls", "tls", "none"), says=("STARTTLS", "TLS", "none"), more=True),
        _F("notify.mail.ca_file", "Authorities (PEM file)", "path",
            "Trust the authorities in this file instead of the system's.", more=True),
        _F("notify.mail.auth", "Log in by", "choice",
            "A password, or OAuth 2 as an application or as a person who has signed in.",
            choices=("password", "app", "device"), says=("password", "application", "person"), more=True),
        _F("notify.mail.directory", "Directory (tenant) ID", "text", "For OAuth 2.", more=True),
        _F("notify.mail.client_id", "Application (client) ID", "text", "For OAuth 2.", more=True),
        _F("notify.mail.certificate", "Certificate", "path",
            "For OAuth 2: PEM file with certificate and key, instead of a secret.", more=True),
        _F("notify.mail.authority", "Authority", "text",
            "For OAuth 2: URL of the token service, if not Microsoft's public cloud.", more=True),
        _F("notify.command.timeout", "Program ends after (s)", "number", "Longest time of the program.",
            least=1, most=MAX_TIMEOUT, more=True),
    ),
)  # fmt: skip
ACCESS = SettingsSection(
    "access", "Access", "Who may do what, by the login names of the archive server.", (
        _F("access.administrators", "Administrators", "list",
            "Login names that may do everything, besides the vault's owner and root.", "ines"),
        _F("access.auditors", "Auditors", "list", "Login names that read all mail, and change nothing.",
            "audrey"),
        _F("access.users", "Users", "pairs",
            "Login names that read the mail of one person, as LOGIN = ADDRESS.", "bob = bob@example.org"),
        _F("access.require_reason", "Reason to read", "flag",
            "Whether a reason is needed to read another person's mail.", says=("required", "not required")),
        _F("approvals.need", "Second person for", "list",
            "Acts that another administrator must approve: hold release, retention dispose, erase, access "
            "grant. To remove one takes an approval as well.", "hold release", more=True),
    ),
)  # fmt: skip
AUDIT_FEED = SettingsSection(
    "feed", "Audit feed", "Where events of the audit trail are sent as they happen.", (
        _F("audit_feed.syslog", "Syslog receiver", "text", "Its address; empty for no feed.",
            "tls://siem.example:6514"),
        _F("audit_feed.ca_file", "Authorities (PEM file)", "path",
            "Trust the authorities in this file instead of the system's."),
        _F("audit_feed.certificate", "Own certificate", "path",
            "PEM file with the chain and, without a key file, the private key; empty for none."),
        _F("audit_feed.key", "Own key file", "path", "PEM file with the private key."),
        _F("audit_feed.facility", "Facility", "choice", "The facility of the messages.",
            choices=_FACILITIES, says=_FACILITIES, more=True),
        _F("audit_feed.fingerprint", "Certificate's SHA-256", "text",
            "Trust exactly the receiver's certificate with this SHA-256.", more=True),
        _F("audit_feed.plain", "Unencrypted", "flag",
            "Whether tcp:// is allowed, to this machine or into a private network.",
            says=("allowed", "refused"), more=True),
    ),
)  # fmt: skip
CHECKPOINTS = SettingsSection(
    "checkpoints", "Checkpoints", "Signed states of the ledger, by which strangers notice a change of it.", (
        _F("checkpoints.sign", "Sign checkpoints", "flag", "Whether the service signs the ledger's state.",
            says=("yes", "no")),
        _F("checkpoints.witnesses", "Witnesses", "list", "Addresses of witnesses on other machines.",
            "https://witness.example.org/"),
        _F("checkpoints.witness_keys", "Keys of witnesses", "list",
            "Their public keys, as `muniment witness init` prints them."),
        _F("checkpoints.folder", "Folder", "path", "A folder elsewhere that gets each checkpoint."),
        _F("checkpoints.git", "Git work tree", "path",
            "A work tree that gets each as a commit, which is pushed if it has a remote."),
        _F("checkpoints.mail", "Mail one a day to", "list", "Addresses, through the relay of notifications.",
            "auditor@example.org"),
        _F("checkpoints.notify", "Services get one a day", "flag",
            "Whether the services and the program of notifications get a checkpoint.", says=("yes", "no")),
        _F("checkpoints.authority", "Time-stamp authority", "text", "Its address (RFC 3161); empty for none.",
            "https://tsa.example.org/"),
        _F("checkpoints.authority_root", "Authority's root", "path",
            "PEM file with the root certificate of the time-stamp authority."),
        _F("checkpoints.origin", "Name of the archive", "text",
            "For strangers, for ever; empty for the domain and the vault's id.", "example.org/archive",
            more=True),
        _F("checkpoints.key", "Key file", "path",
            "The file of the key that signs; empty for the state folder of the service's user.", more=True),
        _F("checkpoints.ca_file", "Authorities (PEM file)", "path",
            "Trust the authorities in this file for https:// instead of the system's.", more=True),
    ),
)  # fmt: skip
EVIDENCE = SettingsSection(
    "evidence", "Evidence", "What is kept as evidence of who sent a message.", (
        _F("evidence.dns", "Look up keys", "flag",
            "Whether the keys of senders' signatures (DKIM) are looked up in DNS; their owners can see that.",
            says=("looked up", "not looked up")),
    ),
)  # fmt: skip
CONTENTS = SettingsSection(
    "contents", "Attachments", "What is read in attachments, so that searches find the text inside them.", (
        _F("contents.kinds", "Kinds", "list",
            "Of text, mail, office, opendocument, pdf, archive; empty to read nothing.", "pdf"),
        _F("contents.largest_file", "Largest file (bytes)", "number", "Larger attachments are not read.",
            least=1, most=1 << 31),
    ),
)  # fmt: skip
SCHEDULE = SettingsSection("schedule", "Schedule", "Which profiles run automatically, and how often.")
"""Its fields are those of the profiles."""
GATEWAY = SettingsSection(
    "gateway", "Gateway", "The embedded SMTP mailbox that journal reports can be sent to.", (
        _F("gateway.listen", "Listens on", "text", "ADDRESS:PORT; empty for no gateway.", "0.0.0.0:25"),
        _F("gateway.addresses", "Journal addresses", "list", "Addresses for which it accepts mail.",
            "journal@archive.example.org"),
        _F("gateway.networks", "Networks", "list", "Networks of clients that may deliver.",
            "192.0.2.0/24"),
        _F("gateway.certificate", "Certificate", "path",
            "PEM file with the chain and, without a key file, the private key; empty for no STARTTLS."),
        _F("gateway.key", "Key file", "path", "PEM file with the private key."),
        _F("gateway.client_names", "Names of clients", "list",
            "Names for certificates of clients on other machines; empty for no certificate.",
            "mail.protection.outlook.com"),
        _F("gateway.any_recipient", "Other recipients", "flag",
            "Whether mail for any other address is accepted, too.", says=("accepted", "refused")),
        _F("gateway.hostname", "Name in greeting", "text", "Empty for the machine's name.", more=True),
        _F("gateway.local_users", "Local users", "list",
            "Login names that may deliver from this machine, besides root and the owner.", "postfix",
            more=True),
        _F("gateway.client_authority", "Clients' authorities", "path",
            "PEM file of the authorities for certificates of clients.", more=True),
        _F("gateway.envelope_headers", "Envelope headers", "list",
            "Header fields in which clients name recipients.", "X-Rcpt-To", more=True),
        _F("gateway.size_limit", "Largest message (bytes)", "number", "A report may be larger.", least=1,
            most=1 << 40, more=True),
        _F("gateway.reserve", "Space kept free (bytes)", "number",
            "Below that, mail is refused for the time being.", most=1 << 50, more=True),
        _F("gateway.peer_connections", "Connections of a client", "number", "Most at a time.", least=1,
            most=200, more=True),
        _F("gateway.peer_messages", "Messages a connection", "number", "Then the client connects again.",
            least=1, most=1_000_000, more=True),
        _F("gateway.peer_errors", "Errors a connection", "number", "Then it is closed.", least=1,
            most=10_000, more=True),
        _F("gateway.peer_seconds", "Idle connection (s)", "number", "Then it is closed.", least=1, most=3600,
            more=True),
    ),
)  # fmt: skip
JOURNALING = SettingsSection(
    "journaling", "Journaling", "How the mail system journals, as the set-up asks for it.", (
        _F("journaling.platform", "Mail system", "choice", "The system whose mail is journaled.",
            choices=("microsoft-365", "exchange-server"), says=("Microsoft 365", "Exchange Server")),
        _F("journaling.reports", "Reports go to", "choice", "Where the journal rule sends reports.",
            choices=("gateway", "mailbox", "embedded"),
            says=("MailStore Gateway", "a mailbox", "Muniment's gateway")),
        _F("journaling.address", "Report address", "text", "The address of the journal rule.",
            "journal@archive.example.org"),
        _F("journaling.undeliverable", "For undeliverable reports", "text",
            "A mailbox that is not journaled itself.", "ndr@elsewhere.example"),
        _F("journaling.rule", "Rule's name", "text", "At most 64 characters."),
        _F("journaling.scope", "Journaled messages", "choice", "The scope of the rule.",
            choices=("Global", "Internal", "External"), says=("all", "internal", "external")),
        _F("journaling.recipient", "Only mail of", "text", "A person or group; empty for everyone."),
        _F("journaling.quiet_days", "Silent user after (days)", "number",
            "Users without a report for so long are named.", least=1, most=MAX_SECONDS),
        _F("journaling.expiration_days", "Exchange tries for (days)", "number",
            "How long Exchange Online tries to deliver a report; 0 for its default.", most=7, more=True),
        _F("journaling.profile", "Profile of reports", "text",
            "The profile that archives the reports; empty if only one can be meant.", more=True),
        _F("journaling.resolver", "DNS server", "text", "ADDRESS or ADDRESS:PORT; empty for the machine's.",
            "9.9.9.9", more=True),
    ),
)  # fmt: skip
RETENTION = SettingsSection(
    "retention", "Retention", "How retention rules are applied.", (
        _F("retention.dispose", "Dispose of mail at", "text",
            "Local time of day, such as 02:30; empty for by hand only.", "02:30"),
        _F("retention.zone", "Time zone of rules", "text",
            "Of the days and years of rules that are set from now on; empty for UTC.", "Europe/Berlin"),
    ),
)  # fmt: skip

RESTORE = SettingsSection(
    "restore", "Giving back", "How mailboxes are reached into which mail is given back.", (
        _F("restore.profile", "Profile", "text",
            "The profile whose server and login are used; empty for the one that archives the mailbox.",
            "exchange"),
        _F("restore.login", "Login name", "text",
            "For IMAP with a password: {mailbox} is the address, {name} its part before the @.",
            "{mailbox}*master"),
        _F("restore.folder", "Folder", "text", "The folder that is used if none is given."),
    ),
)  # fmt: skip

SECTIONS = (
    ORGANISATION, NOTIFICATIONS, ACCESS, SCHEDULE, GATEWAY, JOURNALING, AUDIT_FEED, RETENTION, CHECKPOINTS,
    EVIDENCE, CONTENTS, RESTORE,
)  # fmt: skip
FIELDS = {field.key: field for section in SECTIONS for field in section.fields}
_NAMED = re.compile(r'\{(\w+)(?:=("?[\w-]+"?))?\}')


def in_file(sentence: str, section: str) -> str:
    """A rule's sentence for a reader of vault.toml: `{by="graph"}` is by = "graph"."""

    def name(key: str, value: str) -> str:
        return f"{key} = {value}" if value else key

    return _worded(sentence, section, name)


def in_form(sentence: str, section: str) -> str:
    """A rule's sentence for the user of a form: `{by="graph"}` is Mail is sent by "Microsoft Graph"."""

    def name(key: str, value: str) -> str:
        field, chosen = FIELDS[f"{section}.{key}" if section else key], value.strip('"')
        if chosen in field.choices and field.says:
            chosen = field.says[field.choices.index(chosen)]
        return f'{field.label} "{chosen}"' if value else field.label

    return _worded(sentence, section, name)


def _worded(sentence: str, section: str, name: Callable[[str, str], str]) -> str:
    """Replace the names of fields; braces around anything else, such as a typed text, stay."""

    def replace(found: re.Match[str]) -> str:
        known = (f"{section}.{found[1]}" if section else found[1]) in FIELDS
        return name(found[1], found[2] or "") if known else found[0]

    return _NAMED.sub(replace, sentence)


def keys_of_model() -> Iterator[str]:
    """The dotted path of each key of vault.toml, except profiles, the version and the mark of a demo."""
    others = {*_DEFAULTS, "version", "profiles", "demo"}
    for section, default in _DEFAULTS.items():
        for name in default.__struct_fields__:
            key = f"{section}.{name}" if section else name
            if key not in others:
                yield key

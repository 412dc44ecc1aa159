"""The settings of vault.toml, as plain values."""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec

from muniment.contents.model import KINDS, LARGEST_FILE, Kind
from muniment.profiles.fields import FIELD
from muniment.profiles.registry import KIND, AnySettings
from muniment.profiles.source_kind import tidied
from muniment.system.discreet import Discreet

PROFILE_KEYS = (
    "source", "host", "port", "mailbox", "mailboxes", "access", "password", "auth", "directory", "client_id",
    "certificate", "authority", "security", "fingerprint", "ca_file", "path", "folder", "folders", "exclude",
    "shared", "older_than", "newer_than", "delete_after", "owner", "journal", "tenant", "plain", "unknown",
    "delete", "timeout", "every", "enabled", "untested",
)  # fmt: skip
"""The keys of a table [profile.NAME], in the order in which JSON has them."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """An archiving profile: how its mailbox is reached, and what is done with its mail.

    None means the default of its kind; properties such as `delete_on` apply it.
    """

    name: str
    settings: AnySettings
    """How the mailbox is reached, with the fields of its kind of source."""
    older_than: int = 0
    """Days: archive only mail that the mailbox received earlier than that."""
    newer_than: int = 0
    """Days: archive only mail that the mailbox received since then; 0 for all."""
    delete_after: int = 0
    """Days: with delete, delete only mail that the mailbox received earlier than that."""
    owner: str = ""
    """With journal = false: the address of the mailbox's owner; by default `mailbox`, if it is an address."""
    journal: bool | None = None
    """Whether the mailbox gets journal reports, which are unwrapped."""
    tenant: str = ""
    """The `Sender` address of trusted journal reports; "" to trust all."""
    plain: Literal["route", "catch-all"] | None = None
    """Where mail goes that is not a journal report."""
    unknown: Literal["catch-all", "leave"] = "catch-all"
    """What happens to mail of unknown people: it goes to the catch-all, or stays at the source."""
    delete: bool | None = None
    """Whether kept mail is deleted at the source."""
    every: int = 300
    """Seconds between two runs."""
    enabled: bool = True
    """Whether the service runs it."""
    untested: bool = False
    """Set by Muniment for a profile that was saved without a test. It runs by hand only, until a test or a
    run of it succeeds, or a person enables it."""
    foreign: dict[str, Any] = {}
    """Fields that its table in vault.toml has and its kind of source does not, as after a change of kind."""

    @classmethod
    def of(cls, name: str, source: str, /, **values: Any) -> Profile:
        """A profile.

        Args:
            name: Its name.
            source: The name of its kind of source.
            **values: Its fields, with the types of vault.toml; others have their defaults.
        """
        kind = KIND[source]
        settings = {key: values.pop(key) for key in kind.settings.__struct_fields__ if key in values}
        own = {key: values.pop(key) for key in cls.__struct_fields__ if key in values}
        made = cast("AnySettings", kind.settings(**settings))
        foreign = {key: value for key, value in values.items() if value != FIELD[key].default}
        return cls(name=name, settings=made, foreign=foreign, **own)

    def value(self, field: str) -> Any:
        """The value of any field of profiles; the default if it was left out or the kind does not have it."""
        for holder in (self.settings, self):
            if field in holder.__struct_fields__:
                return getattr(holder, field)
        return self.foreign.get(field, FIELD[field].default)

    def values(self) -> dict[str, Any]:
        """The values of all fields of profiles, by name."""
        return {field: self.value(field) for field in FIELD}

    def table(self) -> dict[str, Any]:
        """The name and the table in vault.toml with every key, in the form that JSON and the ledger have."""
        values = {"source": self.source, "untested": self.untested} | self.values()
        return {"name": self.name} | {key: values[key] for key in PROFILE_KEYS}

    @property
    def source(self) -> str:
        """The name of its kind of source."""
        return self.settings.source

    @property
    def password(self) -> dict[str, Any] | None:
        """Where the password is stored: one of keyring, file, env, command; None for no password."""
        spec: dict[str, Any] | None = self.value("password")
        return spec

    @property
    def scheduled(self) -> bool:
        """Whether it runs by itself."""
        return self.enabled and not self.untested

    @property
    def journal_on(self) -> bool:
        """Whether journal reports are unwrapped; by default for gateway, spool and file kinds."""
        return self.journal if self.journal is not None else KIND[self.source].journal

    @property
    def delete_on(self) -> bool:
        """Whether kept mail is deleted at the source; by default for gateway and spool."""
        return self.delete if self.delete is not None else KIND[self.source].delete

    @property
    def auth_by(self) -> str:
        """How to log in; by default with a password, and to Graph as an application."""
        return self.value("auth") or KIND[self.source].auth[0]

    @property
    def login(self) -> str:
        """The name to log in with; for gateways, `mailbox` without the part from `@` on."""
        kind, mailbox = KIND[self.source], str(self.value("mailbox"))
        return tidied(kind, "mailbox", mailbox) if kind.cuts_host else mailbox

    @property
    def owner_address(self) -> str:
        """The address of the mailbox's owner: `owner`, or `mailbox` if that is an address, or ""."""
        mailbox = str(self.value("mailbox"))
        return self.owner or (mailbox if "@" in mailbox else "")

    @property
    def plain_route(self) -> str:
        """Where mail goes that is not a report: by default "route", or "catch-all" if a tenant is set."""
        return self.plain or ("catch-all" if self.tenant else "route")


class GatewaySection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The embedded SMTP mailbox. It is off unless `listen` is given."""

    listen: str = ""
    """`address:port`, such as "0.0.0.0:25"."""
    addresses: tuple[str, ...] = ()
    """The journal addresses for which it accepts mail, also with an extension that names a person
    (`journal+bob=example.org@archive.example`). It also accepts mail for the postmaster of their domains."""
    any_recipient: bool = False
    """Whether it also accepts mail for any other address: copies with their original envelope, whose
    recipients then count as the message's."""
    networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """The networks of clients that can deliver mail (CIDR)."""
    local_users: tuple[str, ...] = ()
    """Login names that can deliver mail from this machine, besides root and the vault's owner: a mail
    server's account, such as "postfix"."""
    client_names: tuple[str, ...] = ()
    """Names for certificates of clients on other machines, such as "mail.protection.outlook.com": a
    certificate must have one of them. `*.` matches one label. Empty: no certificate is required."""
    client_authority: str = ""
    """PEM file of the authorities for clients' certificates; "" for the system's."""
    envelope_headers: tuple[str, ...] = ()
    """Header fields in which clients name a message's recipients, such as "X-Rcpt-To", besides those that are
    always used (see mail.headers.routing)."""
    size_limit: int = 157286400
    """Most bytes of a message; 150 MiB by default. A journal report about one can be larger."""
    reserve: int = 536870912
    """Bytes that stay free on the spool's disk for the run that empties it. Below that, mail is refused for
    the time being. 512 MiB by default; 0 for none."""
    peer_connections: int = 50
    """Most connections of one client at a time. A client is one IPv4 address, or one /64 network of IPv6."""
    peer_messages: int = 5000
    """Most messages on one connection; then the client must connect again."""
    peer_errors: int = 100
    """Most refused commands on one connection; then it is closed."""
    peer_seconds: int = 300
    """Seconds without a command after which a connection is closed."""
    certificate: str = ""
    """PEM file with the certificate chain and, without `key`, the private key. It enables STARTTLS."""
    key: str = ""
    """PEM file with the private key."""
    hostname: str = ""
    """The name in its greeting; by default this machine's."""


class JournalingSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the mail system journals, for the set-up checklist; runs do not use it."""

    platform: Literal["microsoft-365", "exchange-server"] = "microsoft-365"
    reports: Literal["gateway", "mailbox", "embedded"] = "gateway"
    """Where reports go: a provider's MailStore Gateway, an IMAP or POP3 mailbox, or Muniment's gateway."""
    address: str = ""
    """The address to which the journal rule sends reports."""
    undeliverable: str = ""
    """The address for undeliverable reports."""
    rule: str = "Muniment"
    """The journal rule's name; at most 64 characters."""
    scope: Literal["Global", "Internal", "External"] = "Global"
    """Which messages the rule journals."""
    recipient: str = ""
    """The address of the person or group whose mail it journals; "" for everyone."""
    expiration_days: int = 0
    """Only for Exchange Online: days (0 to 7) for which it tries to deliver a report."""
    profile: str = ""
    """The profile that archives the reports; "" if only one can be meant."""
    quiet_days: int = 14
    """Days without a journal report after which a user is named on the health page."""
    resolver: str = ""
    """A DNS server with the data that senders see, as `address` or `address:port`; "" for this machine's."""


ACTS = (
    "hold release", "retention dispose", "erase", "access grant", "access unseal", "hand over", "restore",
)  # fmt: skip
"""The acts that [approvals] can name."""


class RestoreSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How mailboxes are reached into which mail is given back."""

    profile: str = ""
    """The profile whose server and credentials are used; "" for the one that archives that mailbox. It need
    not be enabled."""
    login: str = ""
    """With a password for IMAP: the name to log in with. {mailbox} is the address, {name} its part before the
    `@`, such as "{mailbox}*master" for a master user of Dovecot."""
    folder: str = "Restored"
    """The folder, if none is given."""


class AccessSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who can do what, by the system's login names. The vault's owner and root can do everything."""

    administrators: tuple[str, ...] = ()
    """Login names that can do everything."""
    auditors: tuple[str, ...] = ()
    """Login names that can read everything and change nothing."""
    users: dict[str, str] = {}
    """Login names that can read the mail of one user, with that user's mail address."""
    require_reason: bool = False
    """Whether a reason is required to read another person's mail."""


class NotifyMail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How notifications are mailed: through a relay, or by Microsoft Graph.

    It is off unless `host` is given or `by` is "graph"."""

    by: Literal["smtp", "graph"] = "smtp"
    host: str = ""
    """The relay; for Graph, the service of a cloud other than Microsoft's worldwide one."""
    port: int | None = None
    """None: 465 with security "tls", otherwise 587."""
    security: Literal["tls", "starttls", "none"] = "starttls"
    login: str = ""
    """The name to log in with; "" for no login. With OAuth 2, the mailbox that sends."""
    password: dict[str, Any] | None = None
    """Where the password is stored: one of keyring, file, env, command. It is never the password itself. With
    auth "app" it is the application's secret."""
    auth: Literal["password", "app", "device"] = "password"
    """"app": as an application (OAuth 2, client credentials); "device": as a person who has signed in with
    `muniment notify sign-in`. See net.oauth."""
    directory: str = ""
    """With OAuth 2: the tenant, by its domain or id."""
    client_id: str = ""
    certificate: str = ""
    """With auth "app": a PEM file with the application's certificate and key, instead of `password`."""
    authority: str = "https://login.microsoftonline.com"
    """The URL of the token service; national clouds have their own."""
    ca_file: str = ""
    """A PEM file of certificate authorities to trust instead of the system's."""
    sender: str = ""
    """The address in From; by default the first of `to`."""
    to: tuple[str, ...] = ()
    """The addresses of the recipients."""

    @property
    def on(self) -> bool:
        """Whether notifications are mailed."""
        return bool(self.host) or self.by == "graph"

    @property
    def mailbox(self) -> str:
        """With OAuth 2: the mailbox that sends."""
        return self.login or self.sender


class NotifyCommand(Discreet, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program that gets each notification as JSON on its standard input. Off unless `run` is given."""

    run: tuple[str, ...] = ()
    """The program and its arguments; it is run without a shell."""
    timeout: int = 30
    """Longest time in seconds."""


class NotifySection(Discreet, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is notified of problems, what counts as a problem, and when the daily summary is sent."""

    mail: NotifyMail = NotifyMail()
    command: NotifyCommand = NotifyCommand()
    urls: tuple[str | dict[str, Any], ...] = ()
    """Apprise URLs. A URL can contain a secret, so it can be given as one of file, env, command, keyring."""
    silent_hours: int = 24
    """Hours without any journal report; 0 for no notification."""
    silent: dict[str, int] = {}
    """The same for single profiles, by name. Profiles that are not named are not checked one by one."""
    certificate_days: int = 14
    """Days before a certificate expires; 0 for no notification."""
    disk_percent: int = 10
    """Least free space of the vault's file system, in percent; 0 for no notification."""
    disk_bytes: int = 2 * 1024**3
    """Least free space there, in bytes; 0 for no notification."""
    behind_minutes: int = 60
    """Minutes for which the search index can lack messages; 0 for no notification."""
    daily: str = ""
    """Local time of the daily summary, such as "07:30"; "" for none."""


class ApprovalsSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which acts need a second person. An act that is left out again still needs one until another
    administrator has approved that."""

    need: tuple[str, ...] = ()
    """Names of acts, of ACTS."""


class AuditFeedSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events of the audit trail are sent as they happen. It is off unless `syslog` is given."""

    syslog: str = ""
    """The receiver, such as "tls://siem.example:6514"; "tcp://" only with `plain`."""
    plain: bool = False
    """Whether the events may be sent unencrypted, to this machine or into a private network."""
    ca_file: str = ""
    """A PEM file of certificate authorities to trust instead of the system's."""
    fingerprint: str = ""
    """SHA-256 of the receiver's certificate in hex, which is trusted instead of authorities."""
    certificate: str = ""
    """PEM file with the certificate that this machine shows and, without `key`, its private key."""
    key: str = ""
    """PEM file with the private key."""
    facility: Literal[
        "audit", "auth", "authpriv", "daemon", "user", "local0", "local1", "local2", "local3", "local4",
        "local5", "local6", "local7",
    ] = "audit"  # fmt: skip
    """The facility of the syslog messages."""


class EvidenceSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept as evidence of who sent a message."""

    dns: bool = False
    """Whether the keys of signatures (DKIM, ARC) are looked up in DNS, which the domains' owners can see."""


class ContentsSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is read in attachments, so that searches find the text inside them."""

    kinds: tuple[Kind, ...] = KINDS
    """The kinds of attachments that are read; none to read nothing."""
    largest_file: int = LARGEST_FILE
    """Bytes of the largest attachment that is read."""


class RetentionSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How retention rules are applied. The rules themselves are records of the ledger."""

    dispose: str = ""
    """Local time of day at which the service disposes of mail whose time has come, such as "02:30"; "" for
    never."""
    zone: str = ""
    """The time zone of the days and years of rules that are set from now on, such as "Europe/Berlin"; "" for
    UTC."""


class CheckpointsSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signed checkpoints of the ledger, and where they are published."""

    sign: bool = False
    """Whether the service signs the ledger's size and root, after runs with news and daily."""
    origin: str = ""
    """The permanent name of this archive for strangers; by default its domain and the vault's id."""
    key: str = ""
    """The file of the key that signs; by default in the state folder of the service's user."""
    folder: str = ""
    """A folder outside the vault that gets each checkpoint."""
    git: str = ""
    """A work tree of git that gets each checkpoint as a commit, which is pushed if it has a remote."""
    mail: tuple[str, ...] = ()
    """Addresses that get one checkpoint a day, through the relay of [notify.mail]."""
    notify: bool = False
    """Whether the URLs and the program of [notify] get one checkpoint a day."""
    witnesses: tuple[str, ...] = ()
    """Addresses of witnesses (C2SP tlog-witness), such as "https://witness.example.org/"."""
    witness_keys: tuple[str, ...] = ()
    """The public keys of these witnesses; the signatures of others are ignored."""
    authority: str = ""
    """The address of a time-stamp authority (RFC 3161)."""
    authority_root: str = ""
    """PEM file with the root certificate of that authority."""
    ca_file: str = ""
    """A PEM file of certificate authorities to trust for https:// instead of the system's."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of vault.toml."""

    version: int = 1
    name: str = ""
    """The organisation's name."""
    domains: tuple[str, ...] = ()
    """The organisation's mail domains, in lower case: users with an address there are made automatically."""
    demo: bool = False
    """Whether `muniment demo` made the vault. It is shown, and changes nothing else."""
    gateway: GatewaySection = GatewaySection()
    access: AccessSection = AccessSection()
    approvals: ApprovalsSection = ApprovalsSection()
    notify: NotifySection = NotifySection()
    audit_feed: AuditFeedSection = AuditFeedSection()
    checkpoints: CheckpointsSection = CheckpointsSection()
    evidence: EvidenceSection = EvidenceSection()
    contents: ContentsSection = ContentsSection()
    journaling: JournalingSection = JournalingSection()
    retention: RetentionSection = RetentionSection()
    restore: RestoreSection = RestoreSection()
    profiles: tuple[Profile, ...] = ()
    """In TOML, each one is a table [profile.NAME]."""

"""What vault.toml says, as values."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from muniment.profiles.fields import KIND, UNWANTED, tidied

Kind = Literal["gateway", "imap", "pop3", "ews", "graph", "spool", "maildir", "mbox", "eml"]


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One archiving profile, with MailStore's meanings; None means the kind's default.

    `resolved()` values are on the properties: `journal_on`, `delete_on`, ...
    """

    name: str
    source: Kind
    host: str = ""
    port: int | None = None
    mailbox: str = ""
    """Login name; for gateways the part from `@` on is dropped."""
    mailboxes: tuple[str, ...] = ()
    """For ews and graph: addresses of the mailboxes to read instead of the one; "*" for all."""
    access: Literal["own", "delegate", "impersonation"] = "own"
    """For ews: as whom others' mailboxes are opened."""
    password: dict[str, Any] | None = None
    """Where the password comes from: one of keyring, file, env, command. Never the password."""
    auth: Literal["password", "ntlm", "basic", "app", "device", "google"] | None = None
    """How to log in; "password" is NTLM or Basic for an Exchange Server, whichever it offers. See
    sources.oauth for the ways of OAuth 2. For "app", `password` is the secret."""
    directory: str = ""
    """The Microsoft 365 tenant, by its domain or id."""
    client_id: str = ""
    """The application's id."""
    certificate: str = ""
    """The application's certificate and key (PEM), or a Google service account's key file (JSON)."""
    authority: str = "https://login.microsoftonline.com"
    security: Literal["tls", "starttls", "none"] | None = None
    """None: STLS for gateway and for pop3 on 110, TLS for imap and for pop3 on 995."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate in hex: trusted instead of the certificate authorities."""
    ca_file: str = ""
    """A PEM file of certificate authorities to trust instead of the system's."""
    path: str = ""
    """For maildir, mbox, eml: the file or folder."""
    folder: str = "INBOX"
    """For imap: the folder that journal reports arrive in."""
    folders: tuple[str, ...] = ()
    """With journal = false: patterns of the folders to archive (see sources.folders); none: all."""
    exclude: tuple[str, ...] = UNWANTED
    """Patterns of the folders to leave out."""
    shared: bool = False
    """For imap, with journal = false: whether folders of others and public ones are read, too."""
    older_than: int = 0
    """Days: only what the mailbox received before is archived."""
    newer_than: int = 0
    """Days: only what the mailbox received since is archived; 0 for all."""
    delete_after: int = 0
    """Days: with delete, only what the mailbox received before is deleted."""
    owner: str = ""
    """With journal = false: the address of the mailbox's owner; unset, `mailbox` where that is an address."""
    journal: bool | None = None
    tenant: str = ""
    """Pins the journal reports' `Sender` address."""
    plain: Literal["route", "catch-all"] | None = None
    unknown: Literal["catch-all", "leave"] = "catch-all"
    delete: bool | None = None
    timeout: int = 300
    every: int = 300
    enabled: bool = True
    untested: bool = False
    """Written by Muniment for a profile that was saved without a test: it runs by hand only until a test or a
    run of it succeeds, or a person enables it."""

    @property
    def scheduled(self) -> bool:
        """Whether it runs by itself."""
        return self.enabled and not self.untested

    @property
    def journal_on(self) -> bool:
        """Whether reports are unwrapped: by default for gateway, spool and file kinds."""
        return self.journal if self.journal is not None else KIND[self.source].journal

    @property
    def delete_on(self) -> bool:
        """Whether kept mail is deleted at the source: by default for gateway and spool."""
        return self.delete if self.delete is not None else KIND[self.source].delete

    @property
    def auth_by(self) -> str:
        """How to log in: with a password by default, to Graph as an application."""
        return self.auth or KIND[self.source].auth[0]

    @property
    def login(self) -> str:
        """The name to log in with: for gateways `mailbox` without the part from `@` on."""
        return (
            tidied(KIND[self.source], "mailbox", self.mailbox) if self.source == "gateway" else self.mailbox
        )

    @property
    def owner_address(self) -> str:
        """Whose mailbox it is: `owner`, else `mailbox` where that is an address, else ""."""
        return self.owner or (self.mailbox if "@" in self.mailbox else "")

    @property
    def plain_route(self) -> str:
        """How mail that is no report is routed: "route", or "catch-all" once a tenant is pinned."""
        return self.plain or ("catch-all" if self.tenant else "route")


class Gateway(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The embedded SMTP mailbox; off unless `listen` is given."""

    listen: str = ""
    """`address:port`, such as "0.0.0.0:25"."""
    addresses: tuple[str, ...] = ()
    """Journal addresses it takes mail for, also with an extension that names a person
    (`journal+bob=example.org@archive.example`), and the postmaster of their domains; all else is refused."""
    any_recipient: bool = False
    """Whether it takes mail for any other address as well: copies with their original envelope, whose
    recipients then count as the message's."""
    networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Client networks that may deliver (CIDR)."""
    local_users: tuple[str, ...] = ()
    """Login names that may deliver from this machine, besides root and the vault's owner: a mail server's
    user, such as "postfix"."""
    client_names: tuple[str, ...] = ()
    """Names of which the certificate of a client on another machine must have one, such as
    "mail.protection.outlook.com"; `*.` stands for one label. Empty: no certificate is asked for."""
    client_authority: str = ""
    """PEM file of the authorities that vouch for clients' certificates; "" for the system's."""
    envelope_headers: tuple[str, ...] = ()
    """Header fields in which its clients name a message's recipients, such as "X-Rcpt-To", besides those that
    always count (see mail.headers.routing)."""
    size_limit: int = 157286400
    """Bytes a message may have; 150 MiB by default. A journal report about it may have more."""
    reserve: int = 536870912
    """Bytes that stay free on the spool's disk, so that the run that empties it can work: below that, mail is
    refused for the time being. 512 MiB by default; 0 for none."""
    peer_connections: int = 50
    """Connections that one client may have at once: one IPv4 address, or one /64 of IPv6."""
    peer_messages: int = 5000
    """Messages on one connection; then the client has to connect again."""
    peer_errors: int = 100
    """Commands on one connection that may be refused; then it is closed."""
    peer_seconds: int = 300
    """Seconds for which a client may be silent."""
    certificate: str = ""
    """PEM file with chain and, unless `key` names another, the private key; enables STARTTLS."""
    key: str = ""
    hostname: str = ""
    """The name it greets with; this machine's by default."""


class Journaling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the mail system journals, as the set-up checklist asks for it; a run does not go by it."""

    platform: Literal["microsoft-365", "exchange-server"] = "microsoft-365"
    reports: Literal["gateway", "mailbox", "embedded"] = "gateway"
    """Where reports go: a provider's MailStore Gateway, an own IMAP or POP3 mailbox, Muniment's gateway."""
    address: str = ""
    """The address that the journal rule sends reports to."""
    undeliverable: str = ""
    """The address that undeliverable reports go to."""
    rule: str = "Muniment"
    """The journal rule's name: at most 64 characters."""
    scope: Literal["Global", "Internal", "External"] = "Global"
    """Which messages the rule journals."""
    recipient: str = ""
    """Whose mail it journals: an address or a group's; "" for everyone's."""
    expiration_days: int = 0
    """Exchange Online alone: days (0 to 7) for which it keeps trying to deliver a report."""
    profile: str = ""
    """The profile that archives the reports; "" for the only one there can be."""
    quiet_days: int = 14
    """Days without a journal report of theirs after which a user is named on the health page."""
    resolver: str = ""
    """A DNS server, `address` or `address:port`, that sees what senders see; "" for this machine's."""


class Access(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may do what, by the operating system's login names. The vault's owner and root may do all."""

    administrators: tuple[str, ...] = ()
    """May do everything."""
    auditors: tuple[str, ...] = ()
    """May read everything, and change nothing."""
    users: dict[str, str] = {}
    """Whose mail a login name may read: the mail address of a user."""
    require_reason: bool = False
    """Whether reading another's mail needs a reason."""


class NotifyMail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How messages about the archive are mailed: through a relay, or by Microsoft Graph.

    Off unless `host` is given, or `by` is "graph"."""

    by: Literal["smtp", "graph"] = "smtp"
    host: str = ""
    """The relay; for Graph, the service of another cloud than Microsoft's worldwide one."""
    port: int | None = None
    """None: 465 with security "tls", else 587."""
    security: Literal["tls", "starttls", "none"] = "starttls"
    login: str = ""
    """The name to log in with; unset, nobody logs in. With OAuth 2 the mailbox that sends."""
    password: dict[str, Any] | None = None
    """Where the password comes from: one of keyring, file, env, command. Never the password. With auth
    "app" it is the application's secret."""
    auth: Literal["password", "app", "device"] = "password"
    """"app": as an application (OAuth 2, client credentials); "device": as a person who has signed in with
    `muniment notify sign-in`. See sources.oauth."""
    directory: str = ""
    """With OAuth 2: the tenant, by its domain or id."""
    client_id: str = ""
    certificate: str = ""
    """With auth "app": a PEM file with the application's certificate and private key, for `password`."""
    authority: str = "https://login.microsoftonline.com"
    """Who gives tokens; another for national clouds."""
    ca_file: str = ""
    """A PEM file of certificate authorities to trust instead of the system's."""
    sender: str = ""
    """The address that messages come from; the first of `to` by default."""
    to: tuple[str, ...] = ()

    @property
    def on(self) -> bool:
        """Whether anything is mailed."""
        return bool(self.host) or self.by == "graph"

    @property
    def mailbox(self) -> str:
        """With OAuth 2: whose mailbox sends."""
        return self.login or self.sender


class NotifyCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program that is given each message as JSON on its standard input; off unless `run` is given."""

    run: tuple[str, ...] = ()
    """The program and its arguments; no shell."""
    timeout: int = 30
    """Seconds it may take."""


class Notify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told when something is wrong with the archive, what counts as wrong, and the daily summary."""

    mail: NotifyMail = NotifyMail()
    command: NotifyCommand = NotifyCommand()
    urls: tuple[str | dict[str, Any], ...] = ()
    """Apprise URLs, or where one comes from, since they may hold secrets: file, env, command or keyring."""
    silent_hours: int = 24
    """Hours without any journal report; 0 for never."""
    silent: dict[str, int] = {}
    """The same for single profiles, by name; those that are not here are not looked at one by one."""
    certificate_days: int = 14
    """Days before a certificate expires; 0 for never."""
    disk_percent: int = 10
    """Of the vault's file system free, at least; 0 for never."""
    disk_bytes: int = 2 * 1024**3
    """Bytes free there, at least; 0 for never."""
    behind_minutes: int = 60
    """Minutes that search may lack messages; 0 for never."""
    daily: str = ""
    """Local time of the daily summary, such as "07:30"; "" for none."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of vault.toml."""

    version: int = 1
    name: str = ""
    """The organisation's name."""
    domains: tuple[str, ...] = ()
    """The organisation's own mail domains, lower case: users there are made automatically."""
    gateway: Gateway = Gateway()
    access: Access = Access()
    notify: Notify = Notify()
    journaling: Journaling = Journaling()
    profiles: tuple[Profile, ...] = ()
    """TOML: a table [profile.NAME] each."""

"""The settings of vault.toml, as plain values."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from muniment.profiles.fields import KIND, UNWANTED, tidied

Kind = Literal["gateway", "imap", "pop3", "ews", "graph", "spool", "maildir", "mbox", "eml"]


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An archiving profile. None means the default of its kind; properties such as `delete_on` apply it."""

    name: str
    source: Kind
    host: str = ""
    port: int | None = None
    mailbox: str = ""
    """The name to log in with; for gateways, the part from `@` on is dropped."""
    mailboxes: tuple[str, ...] = ()
    """For ews and graph: addresses of the mailboxes to read instead of `mailbox`; "*" for all."""
    access: Literal["own", "delegate", "impersonation"] = "own"
    """For ews: the right by which other people's mailboxes are opened."""
    password: dict[str, Any] | None = None
    """Where the password is stored: one of keyring, file, env, command. It is never the password itself."""
    auth: Literal["password", "ntlm", "basic", "app", "device", "google"] | None = None
    """How to log in. For an Exchange Server, "password" is NTLM or Basic, depending on its offers. "app",
    "device" and "google" are OAuth 2 (see net.oauth); for "app", `password` is the secret."""
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
    """SHA-256 of the server's certificate in hex. It is trusted instead of the certificate authorities."""
    ca_file: str = ""
    """A PEM file of certificate authorities to trust instead of the system's."""
    path: str = ""
    """For maildir, mbox, eml: the file or folder."""
    folder: str = "INBOX"
    """For imap: the folder that journal reports arrive in."""
    folders: tuple[str, ...] = ()
    """With journal = false: patterns of the folders to archive (see sources.folders); empty for all."""
    exclude: tuple[str, ...] = UNWANTED
    """Patterns of the folders to leave out."""
    shared: bool = False
    """For imap, with journal = false: whether other people's folders and public ones are also read."""
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
    timeout: int = 300
    """Longest time for a network operation, in seconds."""
    every: int = 300
    """Seconds between two runs."""
    enabled: bool = True
    """Whether the service runs it."""
    untested: bool = False
    """Set by Muniment for a profile that was saved without a test. It runs by hand only, until a test or a
    run of it succeeds, or a person enables it."""

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
        return self.auth or KIND[self.source].auth[0]

    @property
    def login(self) -> str:
        """The name to log in with; for gateways, `mailbox` without the part from `@` on."""
        return (
            tidied(KIND[self.source], "mailbox", self.mailbox) if self.source == "gateway" else self.mailbox
        )

    @property
    def owner_address(self) -> str:
        """The address of the mailbox's owner: `owner`, or `mailbox` if that is an address, or ""."""
        return self.owner or (self.mailbox if "@" in self.mailbox else "")

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


class NotifyCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program that gets each notification as JSON on its standard input. Off unless `run` is given."""

    run: tuple[str, ...] = ()
    """The program and its arguments; it is run without a shell."""
    timeout: int = 30
    """Longest time in seconds."""


class NotifySection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of vault.toml."""

    version: int = 1
    name: str = ""
    """The organisation's name."""
    domains: tuple[str, ...] = ()
    """The organisation's mail domains, in lower case: users with an address there are made automatically."""
    gateway: GatewaySection = GatewaySection()
    access: AccessSection = AccessSection()
    notify: NotifySection = NotifySection()
    journaling: JournalingSection = JournalingSection()
    profiles: tuple[Profile, ...] = ()
    """In TOML, each one is a table [profile.NAME]."""

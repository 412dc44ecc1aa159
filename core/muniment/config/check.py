"""What a profile and the gateway must have to make sense together."""

from __future__ import annotations

import ipaddress
import re

from muniment.config.model import FILE_KINDS, LATER_KINDS, NETWORK_KINDS, Access, Gateway, Profile, Settings
from muniment.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_FINGERPRINT = re.compile(r"(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}\Z")
_DOMAIN = re.compile(r"[^\s@,;<>\"]+\Z")
MAX_SECONDS = 366 * 24 * 3600
MAX_PORT = 65535


def validate(profile: Profile) -> None:
    """Raise ConfigError when a run of `profile` can't work: its fields, or a kind not there yet."""
    check(profile)
    if profile.source in LATER_KINDS:
        raise _wrong(profile, f"source {profile.source!r} comes with a later version; use imap or gateway")


def check(profile: Profile) -> None:
    """Raise ConfigError when the fields of `profile` don't go together; the message names it."""
    check_name(profile.name)
    _check_numbers(profile)
    if profile.source in NETWORK_KINDS:
        _check_network(profile)
    if profile.source in FILE_KINDS and not profile.path:
        raise _wrong(profile, f"a profile of kind {profile.source} needs path: the file or folder to read")
    if profile.source == "mbox" and profile.delete:
        raise _wrong(profile, "nothing can be deleted in an mbox file; leave delete out")
    later = profile.source in LATER_KINDS
    if not profile.journal_on and not profile.owner_address and not later:
        raise _wrong(
            profile,
            'an ordinary mailbox needs owner = "address of the person whose mail it is"'
            " (or journal = true where journal reports arrive)",
        )
    for key in ("owner", "tenant"):
        value = getattr(profile, key)
        if value and not is_address(value):
            raise _wrong(profile, f"{key} must be a mail address, such as name@example.org")


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` can name a profile."""
    if not _NAME.match(name):
        raise ConfigError(
            f"a profile can't be called {name[:80]!r}: use letters, digits, - _ and . (64 at most)"
        )


def check_settings(settings: Settings) -> None:
    """Raise ConfigError for anything wrong in `settings` as a whole."""
    for domain in settings.domains:
        if not _DOMAIN.match(domain):
            raise ConfigError(f"domains: {domain!r} is no mail domain; write it as example.org")
    check_gateway(settings.gateway)
    check_access(settings.access)
    for profile in settings.profiles:
        check(profile)


def check_access(access: Access) -> None:
    """Raise ConfigError when a name in [access] can be nobody's, or an address is none."""
    for name in (*access.administrators, *access.auditors, *access.users):
        if not name or ":" in name or not name.isprintable() or name != name.strip():
            raise ConfigError(f"access: {name!r} is no login name of this system; write it as in `id -un`")
    for name, address in access.users.items():
        if not is_address(address):
            raise ConfigError(f'access: {address!r} is no mail address; write {name} = "name@example.org"')


def check_gateway(gateway: Gateway) -> None:
    """Raise ConfigError when the embedded gateway can't work as set."""
    if gateway.key and not gateway.certificate:
        raise ConfigError("gateway: key is there without certificate; name the certificate's file as well")
    if gateway.size_limit < 1:
        raise ConfigError("gateway: size_limit must be at least 1 (bytes)")
    for network in gateway.networks:
        _check_cidr(network)
    for address in gateway.addresses:
        if not is_address(address):
            raise ConfigError(f"gateway: {address!r} is no mail address; write it as journal@example.org")
    if gateway.listen:
        listen_address(gateway.listen)
        if not gateway.addresses:
            raise ConfigError("gateway: addresses is missing; list the journal addresses to take mail for")


def listen_address(listen: str) -> tuple[str, int]:
    """Host and port of `address:port`; an IPv6 address stands in brackets.

    Raises:
        ConfigError: it isn't of that form.
    """
    host, colon, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bad = not colon or not bare or (":" in bare) != (bare != host)
    if bad or not (port.isascii() and port.isdigit()) or int(port[:6]) > MAX_PORT:
        raise ConfigError(f'gateway: listen is {listen!r}; write address:port, such as "0.0.0.0:25"')
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_address(text: str) -> bool:
    """Whether `text` looks like one mail address."""
    local, at, domain = text.rpartition("@")
    return bool(local and at and _DOMAIN.match(domain)) and not any(c.isspace() or c in "<>," for c in local)


def _check_numbers(profile: Profile) -> None:
    if profile.port is not None and not 1 <= profile.port <= MAX_PORT:
        raise _wrong(profile, f"port must be from 1 to {MAX_PORT}")
    for key in ("timeout", "every"):
        if not 1 <= getattr(profile, key) <= MAX_SECONDS:
            raise _wrong(profile, f"{key} must be from 1 to {MAX_SECONDS} (seconds)")


def _check_network(profile: Profile) -> None:
    if not profile.host:
        raise _wrong(profile, f"a profile of kind {profile.source} needs host: the mail server's name")
    if any(c.isspace() or c in "/@" for c in profile.host):
        raise _wrong(profile, "host must be a server's name or address alone, such as mail.example.org")
    if not profile.login:
        raise _wrong(profile, "mailbox is missing; give the name to log in with")
    if profile.password is None:
        raise _wrong(
            profile, 'password is missing; say where it comes from, such as password = { file = "secret" }'
        )
    if profile.security == "none" and not is_loopback(profile.host):
        raise _wrong(
            profile,
            'security = "none" would send the password in clear; use "starttls" or "tls"'
            " (none is for this machine alone)",
        )
    if profile.fingerprint and not _FINGERPRINT.match(profile.fingerprint):
        raise _wrong(profile, "fingerprint must be the certificate's SHA-256: 64 hex digits, colons allowed")
    for key in ("mailbox", "folder"):
        if any(c in "\r\n\0" for c in getattr(profile, key)):
            raise _wrong(profile, f"{key} must stand on one line")


def _check_cidr(network: str) -> None:
    try:
        ipaddress.ip_network(network)
    except ValueError:
        raise ConfigError(
            f'gateway: {network!r} is no network; write "192.0.2.0/24" or one address'
            " (no bits set behind the prefix)"
        ) from None


def _wrong(profile: Profile, sentence: str) -> ConfigError:
    return ConfigError(f"profile {profile.name!r}: {sentence}")

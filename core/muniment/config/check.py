"""Checks the values of vault.toml: profiles, gateway, access and journaling."""

from __future__ import annotations

import ipaddress
import re

from muniment.config.model import AccessSection, GatewaySection, JournalingSection, Profile, Settings
from muniment.errors import ConfigError
from muniment.profiles.fields import (
    FIELD,
    KIND,
    MAX_PORT,
    MAX_SECONDS,
    is_address,
    is_domain,
    name_problem,
    problems,
)

RULE_LENGTH = 64
"""Most characters of a journal rule's name (New-JournalRule)."""
EXPIRATION_DAYS = 7
"""Largest value of Set-TransportConfig -JournalMessageExpirationDays."""


def check(profile: Profile) -> None:
    """Raise ConfigError if the fields of a profile are wrong or don't fit together."""
    check_name(profile.name)
    fields = {name: getattr(profile, name) for name in FIELD}
    for sentence in problems(KIND[profile.source], fields).values():
        raise _wrong(profile, sentence)


def check_name(name: str) -> None:
    """Raise ConfigError if a profile can't have this name."""
    if problem := name_problem(name):
        raise ConfigError(problem)


def check_settings(settings: Settings) -> None:
    """Raise ConfigError for the first error in the settings, except those in [notify]."""
    for domain in settings.domains:
        if not is_domain(domain):
            raise ConfigError(f"domains: {domain!r} is not a mail domain; write it like example.org")
    check_gateway(settings.gateway)
    check_access(settings.access)
    check_journaling(settings.journaling)
    for profile in settings.profiles:
        check(profile)


def check_access(access: AccessSection) -> None:
    """Raise ConfigError if [access] has an impossible login name or address."""
    for name in (*access.administrators, *access.auditors, *access.users):
        if not name or ":" in name or not name.isprintable() or name != name.strip():
            raise ConfigError(f"access: {name!r} can't be a login name; write it as `id -un` prints it")
    for name, address in access.users.items():
        if not is_address(address):
            raise ConfigError(f'access: {address!r} is not a mail address; write {name} = "name@example.org"')


def check_journaling(journaling: JournalingSection) -> None:
    """Raise ConfigError if a value in [journaling] is impossible."""
    for key in ("address", "undeliverable", "recipient"):
        value = getattr(journaling, key)
        if value and not (is_address(value) and value.isprintable()):
            raise ConfigError(f"journaling: {key} is {value!r}; write it like journal@example.org")
    if not journaling.rule.strip() or len(journaling.rule) > RULE_LENGTH or not journaling.rule.isprintable():
        raise ConfigError(
            f"journaling: rule must be a name of 1 to {RULE_LENGTH} characters, without line ends"
        )
    if not 0 <= journaling.expiration_days <= EXPIRATION_DAYS:
        raise ConfigError(f"journaling: expiration_days must be from 0 to {EXPIRATION_DAYS}")
    if not 1 <= journaling.quiet_days <= MAX_SECONDS:
        raise ConfigError("journaling: quiet_days must be at least 1")
    if journaling.resolver:
        resolver_address(journaling.resolver)


def resolver_address(resolver: str) -> tuple[str, int]:
    """Split the address of a DNS server.

    Args:
        resolver: An IP address, with or without a port.

    Returns:
        The address and the port, which is 53 by default.

    Raises:
        ConfigError: It is not an address.
    """
    colons = resolver.count(":")
    text = resolver if resolver.startswith("[") or colons < 2 else f"[{resolver}]"
    try:
        host, port = listen_address(text if text.rpartition(":")[2].isdigit() else f"{text}:53")
        return str(ipaddress.ip_address(host)), port
    except (ConfigError, ValueError):
        raise ConfigError(
            f'journaling: resolver is {resolver!r}; write the address of a DNS server, such as "9.9.9.9"'
        ) from None


def check_gateway(gateway: GatewaySection) -> None:
    """Raise ConfigError if the embedded gateway can't work with these settings."""
    if gateway.key and not gateway.certificate:
        raise ConfigError("gateway: key needs certificate as well; name the certificate's file")
    if gateway.client_names and not gateway.certificate:
        raise ConfigError(
            "gateway: client_names needs TLS, and so a certificate of the gateway itself: name its file as "
            "`certificate`"
        )
    if gateway.client_authority and not gateway.client_names:
        raise ConfigError(
            "gateway: client_authority needs client_names as well; name the clients' certificates"
        )
    if gateway.size_limit < 1:
        raise ConfigError("gateway: size_limit must be at least 1 (bytes)")
    for name in gateway.envelope_headers:
        if not _FIELD.fullmatch(name) or name.lower() in _NOT_THESE:
            raise ConfigError(
                f"gateway: envelope_headers names {name[:80]!r}; name fields that only your mail server "
                'writes, such as "X-Rcpt-To"'
            )
    if gateway.reserve < 0:
        raise ConfigError("gateway: reserve must be at least 0 (bytes)")
    for key, most in _PEER_LIMITS.items():
        if not 1 <= getattr(gateway, key) <= most:
            raise ConfigError(f"gateway: {key} must be from 1 to {most}")
    for network in gateway.networks:
        _check_cidr(network)
    for address in gateway.addresses:
        if not is_address(address):
            raise ConfigError(
                f"gateway: {address!r} is not a mail address; write it like journal@example.org"
            )
    if gateway.listen:
        listen_address(gateway.listen)
        if not gateway.addresses:
            raise ConfigError("gateway: addresses is missing; list the journal addresses")


_FIELD = re.compile(r"[!-9;-~]{1,76}")
"""A header field's name (RFC 5322 3.6.8)."""
_NOT_THESE = frozenset({"from", "sender", "reply-to", "received", "subject", "return-path", "references"})
"""Fields that anyone can write, or that don't name recipients."""
_PEER_LIMITS = {
    "peer_connections": 200,
    "peer_messages": 1_000_000,
    "peer_errors": 10_000,
    "peer_seconds": 3600,
}
"""The largest value of each limit for one client."""


def listen_address(listen: str) -> tuple[str, int]:
    """Split `address:port`; an IPv6 address must be in brackets.

    Returns:
        The address, without brackets, and the port.

    Raises:
        ConfigError: It has another form.
    """
    host, colon, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bad = not colon or not bare or (":" in bare) != (bare != host)
    if bad or not (port.isascii() and port.isdigit()) or int(port[:6]) > MAX_PORT:
        raise ConfigError(f'gateway: listen is {listen!r}; write address:port, such as "0.0.0.0:25"')
    return bare, int(port)


def _check_cidr(network: str) -> None:
    try:
        ipaddress.ip_network(network)
    except ValueError:
        raise ConfigError(
            f'gateway: {network!r} is not a network; write "192.0.2.0/24" or one address'
            " (no bits may be set after the prefix)"
        ) from None


def _wrong(profile: Profile, sentence: str) -> ConfigError:
    return ConfigError(f"profile {profile.name!r}: {sentence}")

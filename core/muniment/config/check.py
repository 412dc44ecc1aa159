"""Checks the values of vault.toml.

What is wrong with a setting is a pair: its dotted key, and a sentence that names settings as `{listen}` and
values as `{by="graph"}`. A reader of vault.toml sees the names there, the user of a form its labels
(`setting_fields.in_file`, `setting_fields.in_form`).
"""

from __future__ import annotations

import ipaddress
import re

from muniment.config.check_checkpoints import checkpoint_problems
from muniment.config.check_feed import feed_problems
from muniment.config.check_notify import Problems, notify_problems
from muniment.config.check_restore import restore_problems
from muniment.config.check_retention import retention_problems
from muniment.config.model import ACTS, AccessSection, GatewaySection, JournalingSection, Profile, Settings
from muniment.config.setting_fields import in_file
from muniment.errors import ConfigError
from muniment.profiles.fields import MAX_PORT, MAX_SECONDS, is_address, is_domain, is_host, name_problem
from muniment.profiles.registry import KIND
from muniment.profiles.source_kind import problems

RULE_LENGTH = 64
"""Most characters of a journal rule's name (New-JournalRule)."""
EXPIRATION_DAYS = 7
"""Largest value of Set-TransportConfig -JournalMessageExpirationDays."""


def check(profile: Profile) -> None:
    """Raise ConfigError if the fields of a profile are wrong or don't fit together."""
    check_name(profile.name)
    for sentence in problems(KIND[profile.source], profile.values()).values():
        raise _wrong(profile, sentence)


def check_name(name: str) -> None:
    """Raise ConfigError if a profile can't have this name."""
    if problem := name_problem(name):
        raise ConfigError(problem)


def check_settings(settings: Settings) -> None:
    """Raise ConfigError for the first error in the settings. The message contains no secret."""
    for key, sentence in setting_problems(settings):
        section = key.rpartition(".")[0]
        worded = in_file(sentence, section)
        raise ConfigError(f"{section}: {worded}" if section else worded)
    for profile in settings.profiles:
        check(profile)


def setting_problems(settings: Settings) -> Problems:
    """Yield what is wrong with the settings outside of profiles."""
    for domain in settings.domains:
        if not is_domain(domain):
            yield "domains", f"{{domains}}: {domain[:80]!r} is not a mail domain; write it like example.org"
    yield from gateway_problems(settings.gateway)
    yield from access_problems(settings.access)
    for act in settings.approvals.need:
        if act not in ACTS:
            yield "approvals.need", f"{{need}}: {act[:80]!r} is not one of {', '.join(ACTS)}"
    yield from journaling_problems(settings.journaling)
    yield from notify_problems(settings.notify)
    yield from feed_problems(settings.audit_feed)
    yield from retention_problems(settings.retention)
    yield from restore_problems(settings.restore)
    yield from checkpoint_problems(settings)


def access_problems(access: AccessSection) -> Problems:
    """Yield impossible login names and addresses in [access]."""
    for key in ("administrators", "auditors", "users"):
        for name in getattr(access, key):
            if not name or ":" in name or not name.isprintable() or name != name.strip():
                sentence = f"{name[:80]!r} can't be a login name; write it as `id -un` prints it"
                yield f"access.{key}", sentence
    for name, address in access.users.items():
        if not is_address(address):
            yield (
                "access.users",
                f'{address[:80]!r} is not a mail address; write {name[:80]} = "name@example.org"',
            )


def journaling_problems(journaling: JournalingSection) -> Problems:
    """Yield impossible values in [journaling]."""
    for key in ("address", "undeliverable", "recipient"):
        value = getattr(journaling, key)
        if value and not (is_address(value) and value.isprintable()):
            sentence = f"{{{key}}} is {value[:80]!r}; write it like journal@example.org"
            yield f"journaling.{key}", sentence
    if not journaling.rule.strip() or len(journaling.rule) > RULE_LENGTH or not journaling.rule.isprintable():
        yield (
            "journaling.rule",
            f"{{rule}} must be a name of 1 to {RULE_LENGTH} characters, without line ends",
        )
    if not 0 <= journaling.expiration_days <= EXPIRATION_DAYS:
        yield "journaling.expiration_days", f"{{expiration_days}} must be from 0 to {EXPIRATION_DAYS}"
    if not 1 <= journaling.quiet_days <= MAX_SECONDS:
        yield "journaling.quiet_days", "{quiet_days} must be at least 1"
    if journaling.resolver:
        try:
            resolver_address(journaling.resolver)
        except ConfigError:
            yield (
                "journaling.resolver",
                f"{{resolver}} is {journaling.resolver[:80]!r}; write the address of a DNS server, such as "
                '"9.9.9.9"',
            )


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


def gateway_problems(gateway: GatewaySection) -> Problems:
    """Yield why the embedded gateway can't work with these settings."""
    if gateway.key and not gateway.certificate:
        yield "gateway.key", "{key} needs {certificate} as well; name the certificate's file"
    if gateway.client_names and not gateway.certificate:
        yield (
            "gateway.client_names",
            "{client_names} needs TLS, and so a certificate of the gateway itself: name its file as "
            "{certificate}",
        )
    if gateway.client_authority and not gateway.client_names:
        yield (
            "gateway.client_authority",
            "{client_authority} needs {client_names} as well; name the clients' certificates",
        )
    if gateway.size_limit < 1:
        yield "gateway.size_limit", "{size_limit} must be at least 1 (bytes)"
    for name in gateway.envelope_headers:
        if not _FIELD.fullmatch(name) or name.lower() in _NOT_THESE:
            yield (
                "gateway.envelope_headers",
                f"{{envelope_headers}} names {name[:80]!r}; name fields that only your mail server writes, "
                'such as "X-Rcpt-To"',
            )
    if gateway.reserve < 0:
        yield "gateway.reserve", "{reserve} must be at least 0 (bytes)"
    for key, most in _PEER_LIMITS.items():
        if not 1 <= getattr(gateway, key) <= most:
            yield f"gateway.{key}", f"{{{key}}} must be from 1 to {most}"
    for network in gateway.networks:
        if not _is_network(network):
            yield (
                "gateway.networks",
                f'{network[:80]!r} is not a network; write "192.0.2.0/24" or one address'
                " (no bits may be set after the prefix)",
            )
    for address in gateway.addresses:
        if not is_address(address):
            sentence = f"{address[:80]!r} is not a mail address; write it like journal@example.org"
            yield "gateway.addresses", sentence
    if gateway.listen:
        if not _can_listen(gateway.listen):
            sentence = f'{{listen}} is {gateway.listen[:80]!r}; write address:port, such as "0.0.0.0:25"'
            yield "gateway.listen", sentence
        if not gateway.addresses:
            yield "gateway.addresses", "{addresses} is missing; list the journal addresses"


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


def _can_listen(listen: str) -> bool:
    try:
        return is_host(listen_address(listen)[0])
    except ConfigError:
        return False


def _is_network(network: str) -> bool:
    try:
        ipaddress.ip_network(network)
    except ValueError:
        return False
    return True


def _wrong(profile: Profile, sentence: str) -> ConfigError:
    return ConfigError(f"profile {profile.name!r}: {sentence}")

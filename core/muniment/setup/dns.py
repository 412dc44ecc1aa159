"""Where a domain's mail goes: its MX records, looked up in DNS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from muniment.config.check import resolver_address
from muniment.errors import SourceError

if TYPE_CHECKING:
    from dns.resolver import Resolver

SECONDS = 8.0
"""Longest time for one look-up."""
ADDRESSES = ("A", "AAAA")
EXCHANGE_ONLINE = (
    ".mail.protection.outlook.com",
    ".mx.microsoft",
    ".mail.eo.outlook.com",
    ".mail.protection.office365.us",
    ".mail.protection.partner.outlook.cn",
)
"""Endings of the host names of Exchange Online's mail exchangers, national clouds included."""


def is_exchange_online(host: str) -> bool:
    """Whether the host name of a mail exchanger belongs to Exchange Online."""
    return f".{host.lower().rstrip('.')}".endswith(EXCHANGE_ONLINE)


def exchangers(domain: str, resolver: str = "", seconds: float = SECONDS) -> list[str]:
    """The host names of a domain's mail exchangers, the preferred one first.

    A domain without MX records that has an IP address is its own mail exchanger (RFC 5321 5.1).

    Args:
        domain: the domain, in its ASCII or Unicode form.
        resolver: the DNS server as `address` or `address:port`; "" for this machine's own.
        seconds: longest time for one look-up.

    Raises:
        SourceError: the domain has no mail exchanger, accepts no mail (RFC 7505), or DNS gave no answer; the
            sentence says what to do.
    """
    with _explained(domain):
        client = _resolver(resolver, seconds)
        found = _mx(client, domain)
        return found or _domain_itself(client, domain)


def addresses(host: str, resolver: str = "") -> list[str]:
    """The IP addresses of a mail exchanger, IPv4 first; empty if it has none or does not exist.

    Raises:
        SourceError: DNS gave no answer; the sentence says what to do.
    """
    import dns.resolver

    with _explained(host):
        client = _resolver(resolver, SECONDS)
        try:
            return [address for kind in ADDRESSES for address in _values(client, host, kind)]
        except dns.resolver.NXDOMAIN:
            return []


@contextmanager
def _explained(domain: str) -> Iterator[None]:
    """Turn a failure of a look-up into a SourceError that says what to do."""
    import dns.exception
    import dns.resolver

    try:
        yield
    except dns.resolver.NXDOMAIN:
        raise SourceError(
            f"The domain {domain} does not exist in DNS: correct the address, or register the domain."
        ) from None
    except (dns.exception.Timeout, dns.resolver.NoNameservers, dns.resolver.NoResolverConfiguration, OSError):
        raise SourceError(
            f"DNS gave no answer for {domain}: make sure that this machine can resolve names, "
            "or enter a DNS server (journaling.resolver)."
        ) from None
    except (dns.exception.DNSException, UnicodeError):
        raise SourceError(f"{domain} is not a valid domain name: correct the address.") from None


def _resolver(server: str, seconds: float) -> Resolver:
    """A resolver without a cache, so that it sees a record that was just added."""
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=not server)
    resolver.cache = None
    resolver.lifetime = seconds
    if server:
        host, resolver.port = resolver_address(server)
        resolver.nameservers = [host]
    return resolver


def _mx(resolver: Resolver, domain: str) -> list[str]:
    answer = resolver.resolve(domain, "MX", raise_on_no_answer=False)
    records = sorted(answer.rrset or (), key=lambda record: (record.preference, str(record.exchange)))
    hosts = [str(record.exchange).rstrip(".").lower() for record in records]
    if hosts == [""]:
        raise SourceError(
            f"The domain {domain} accepts no mail (it has a null MX): create an MX record for it, "
            "or choose another address."
        )
    return hosts


def _values(resolver: Resolver, name: str, kind: str) -> list[str]:
    return [str(record) for record in resolver.resolve(name, kind, raise_on_no_answer=False).rrset or ()]


def _domain_itself(resolver: Resolver, domain: str) -> list[str]:
    if any(_values(resolver, domain, kind) for kind in ADDRESSES):
        return [domain.lower()]
    raise SourceError(
        f"The domain {domain} has no MX record, so mail can't reach it: create one, or choose another "
        "address."
    )

"""Where a domain's mail goes: its MX records, as the mail system sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from muniment.config.check import resolver_address
from muniment.errors import SourceError

if TYPE_CHECKING:
    from dns.resolver import Resolver

SECONDS = 8.0
"""How long one look-up may take."""
ADDRESSES = ("A", "AAAA")
EXCHANGE_ONLINE = (
    ".mail.protection.outlook.com",
    ".mx.microsoft",
    ".mail.eo.outlook.com",
    ".mail.protection.office365.us",
    ".mail.protection.partner.outlook.cn",
)
"""How the mail exchangers of Exchange Online end, national clouds included."""


def is_exchange_online(host: str) -> bool:
    """Whether a mail exchanger is Exchange Online's."""
    return f".{host.lower().rstrip('.')}".endswith(EXCHANGE_ONLINE)


def exchangers(domain: str, resolver: str = "") -> list[str]:
    """The mail exchangers of a domain, the preferred first; the domain itself without any (RFC 5321 5.1).

    `resolver` is a DNS server, `address` or `address:port`; this machine's own by default.

    Raises:
        SourceError: it has none, takes no mail (RFC 7505), or DNS can't be asked; says what to do.
    """
    with _explained(domain):
        asked = _resolver(resolver)
        found = _mx(asked, domain)
        return found or _itself(asked, domain)


def addresses(host: str, resolver: str = "") -> list[str]:
    """The IP addresses of a mail exchanger, IPv4 first; none where it has none, or does not exist.

    Raises:
        SourceError: DNS can't be asked; says what to do.
    """
    import dns.resolver

    with _explained(host):
        asked = _resolver(resolver)
        try:
            return [address for kind in ADDRESSES for address in _values(asked, host, kind)]
        except dns.resolver.NXDOMAIN:
            return []


@contextmanager
def _explained(domain: str) -> Iterator[None]:
    """Turn what goes wrong in a look-up into an error that says what to do."""
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
            f"DNS gave no answer about {domain}: see that this machine can resolve names, "
            "or name a DNS server (journaling.resolver)."
        ) from None
    except (dns.exception.DNSException, UnicodeError):
        raise SourceError(f"{domain} is no name that DNS knows: correct the address.") from None


def _resolver(server: str) -> Resolver:
    """A resolver that keeps nothing: a record that was just made must be seen."""
    import dns.resolver

    asked = dns.resolver.Resolver(configure=not server)
    asked.cache = None
    asked.lifetime = SECONDS
    if server:
        host, asked.port = resolver_address(server)
        asked.nameservers = [host]
    return asked


def _mx(asked: Resolver, domain: str) -> list[str]:
    answer = asked.resolve(domain, "MX", raise_on_no_answer=False)
    records = sorted(answer.rrset or (), key=lambda record: (record.preference, str(record.exchange)))
    hosts = [str(record.exchange).rstrip(".").lower() for record in records]
    if hosts == [""]:
        raise SourceError(
            f"The domain {domain} says that it takes no mail (a null MX): make an MX record for it, "
            "or choose another address."
        )
    return hosts


def _values(asked: Resolver, name: str, kind: str) -> list[str]:
    return [str(record) for record in asked.resolve(name, kind, raise_on_no_answer=False).rrset or ()]


def _itself(asked: Resolver, domain: str) -> list[str]:
    if any(_values(asked, domain, kind) for kind in ADDRESSES):
        return [domain.lower()]
    raise SourceError(
        f"The domain {domain} has no MX record, so no mail can reach it: make one, or choose another address."
    )

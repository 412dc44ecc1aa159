"""Look-ups of a domain's mail exchangers, against a DNS server over the network."""

from __future__ import annotations

import pytest

from muniment.errors import ConfigError, SourceError
from muniment.setup.dns import SECONDS, addresses, exchangers, is_exchange_online
from support.dns_server import DnsServer


def refusal(domain: str, server: DnsServer, seconds: float = SECONDS) -> str:
    with pytest.raises(SourceError) as caught:
        exchangers(domain, server.address, seconds)
    return str(caught.value)


def test_exchangers_come_by_preference(dns: DnsServer) -> None:
    assert exchangers("filtered.example", dns.address) == ["mx1.filter.example", "mx2.filter.example"]


def test_without_mx_mail_goes_to_the_domain_itself(dns: DnsServer) -> None:
    assert exchangers("Bare.example", dns.address) == ["bare.example"]


def test_a_domain_that_receives_no_mail_is_refused_with_the_reason(dns: DnsServer) -> None:
    assert "has no MX record" in refusal("none.example", dns)
    assert "does not exist" in refusal("nowhere.example", dns)
    assert "null MX" in refusal("null.example", dns)
    assert "not a valid domain name" in refusal("x" * 70 + ".example", dns)


def test_addresses_of_an_exchanger(dns: DnsServer) -> None:
    dns.records["two.example"] = [("AAAA", "2001:db8::1"), ("A", "192.0.2.8")]
    assert addresses("two.example", dns.address) == ["192.0.2.8", "2001:db8::1"]
    assert addresses("none.example", dns.address) == []
    assert addresses("gone.example", dns.address) == []


def test_a_silent_server_ends_in_an_error() -> None:
    with DnsServer({}, silent=True) as server:
        assert "gave no answer" in refusal("example.com", server, seconds=0.2)


def test_a_new_record_is_seen_at_once(dns: DnsServer) -> None:
    assert "does not exist" in refusal("new.example", dns)
    dns.records["new.example"] = [("MX", "5 mx.new.example.")]
    assert exchangers("new.example", dns.address) == ["mx.new.example"]


def test_a_resolver_is_an_address() -> None:
    with pytest.raises(ConfigError, match="resolver"):
        exchangers("example.com", "dns.example")


@pytest.mark.parametrize(
    ("host", "online"),
    [
        ("example-com.mail.protection.outlook.com", True),
        ("EXAMPLE-COM.mail.protection.outlook.com.", True),
        ("dane-example.o-v1.mx.microsoft", True),
        ("mail.protection.outlook.com", True),
        ("evil-mail.protection.outlook.com.example", False),
        ("notmx.microsoft.example", False),
        ("xmail.protection.outlook.com", False),
    ],
)
def test_exchange_online_is_recognised_by_its_exchangers(host: str, online: bool) -> None:
    assert is_exchange_online(host) is online

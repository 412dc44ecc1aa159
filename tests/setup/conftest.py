"""Fixtures of the tests of set-up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.dns_server import RECORDS, DnsServer


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A DNS server with the records RECORDS."""
    with DnsServer(RECORDS) as server:
        yield server

"""Fixtures of the tests of set-up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.dns_server import RECORDS, DnsServer
from support.dovecot import Dovecot, require_dovecot


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A DNS server with the records RECORDS."""
    with DnsServer(RECORDS) as server:
        yield server


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """One mail server for all tests of the session."""
    require_dovecot()
    with Dovecot() as server:
        yield server

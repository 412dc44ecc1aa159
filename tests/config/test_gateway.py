"""[gateway]: checks of its values, and the settings of the started gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.config.file import interpret
from muniment.errors import ConfigError
from muniment.service.host.gateway_keeper import ENVELOPE_ROOM, gateway_options

LISTENING = '[gateway]\nlisten = "127.0.0.1:25"\naddresses = ["journal@archive.example"]\n'
EXCHANGE_ONLINE = 150 * 1024 * 1024
"""Bytes of its largest message."""


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("reserve = -1", "reserve must be at least 0"),
        ("peer_connections = 0", "peer_connections must be from 1 to 200"),
        ("peer_messages = 0", "peer_messages must be from 1"),
        ("peer_errors = 100000", "peer_errors must be from 1"),
        ("peer_seconds = 0", "peer_seconds must be from 1 to 3600"),
        ('envelope_headers = ["X Rcpt"]', "envelope_headers names 'X Rcpt'"),
        ('envelope_headers = ["From"]', "only your mail server writes"),
        ('any_recipient = "yes"', "any_recipient must be true or false"),
        ("any_recipients = true", "did you mean any_recipient"),
    ],
)
def test_wrong_settings_are_refused(line: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        interpret(f"{LISTENING}{line}\n", "vault.toml")


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "300.1.1.1", ".", "-a b", "mx\u00ad..x", "a/b"])
def test_an_address_that_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="write address:port"):
        interpret(LISTENING.replace("127.0.0.1", host), "vault.toml")


@pytest.mark.parametrize("host", ["0", "127.1", "[::1]", "[fe80::1%lo]", "localhost", "mx_1.x-y.example."])
def test_addresses_and_names_of_hosts_are_accepted(host: str) -> None:
    assert interpret(LISTENING.replace("127.0.0.1", host), "vault.toml").gateway.listen == f"{host}:25"


def test_the_settings_of_a_started_gateway(tmp_path: Path) -> None:
    lines = "peer_connections = 3\npeer_messages = 4\npeer_errors = 5\npeer_seconds = 6\nreserve = 7\n"
    settings = interpret(f"{LISTENING}{lines}any_recipient = true\n", "vault.toml").gateway
    options = gateway_options(settings, tmp_path)
    assert (options.max_connections_of_one, options.messages, options.errors) == (3, 4, 5)
    assert (options.idle_timeout, options.reserve, options.any_recipient) == (6.0, 7, True)


def test_a_report_can_be_larger_than_the_largest_message(tmp_path: Path) -> None:
    """With the default and with a set size, 10,000 recipient lines of 254 bytes fit in addition."""
    for line in ("", f"size_limit = {EXCHANGE_ONLINE}\n"):
        options = gateway_options(interpret(LISTENING + line, "vault.toml").gateway, tmp_path)
        assert options.size_limit == EXCHANGE_ONLINE + ENVELOPE_ROOM
    assert 10_000 * (254 + len("Recipient: \r\n")) < ENVELOPE_ROOM

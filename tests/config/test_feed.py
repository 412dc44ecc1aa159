"""[audit_feed]: checks of its values."""

from __future__ import annotations

import pytest

from muniment.config.feed_receiver import FeedReceiver, receiver_of
from muniment.config.file import interpret
from muniment.config.setting_fields import FIELDS
from muniment.errors import ConfigError
from muniment.feed.rfc5424 import FACILITIES

TLS = 'syslog = "tls://siem.example"'
NEAR = 'syslog = "tcp://10.0.0.5"\nplain = true'


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ('syslog = "siem.example"', "syslog must be a receiver"),
        ('syslog = "udp://siem.example"', "syslog must be a receiver"),
        ('syslog = "tls://"', "syslog must be a receiver"),
        ('syslog = "tls://a..b"', "syslog must be a receiver"),
        ('syslog = "tls://siem.example:0"', "syslog must be a receiver"),
        ('syslog = "tls://siem.example:99999"', "syslog must be a receiver"),
        ('syslog = "tls://siem.example:x"', "syslog must be a receiver"),
        ('syslog = "tls://siem.example/path"', "syslog must be a receiver"),
        ('syslog = "tls://[::1"', "syslog must be a receiver"),
        ('syslog = "tls://ines:hunter2@siem.example"', "syslog must be a receiver"),
        ('syslog = "tcp://10.0.0.5"', "syslog is not encrypted, so anybody"),
        (
            'syslog = "tcp://siem.example"\nplain = true',
            "only for localhost or an address of a private network",
        ),
        ('syslog = "tcp://8.8.8.8"\nplain = true', "only for localhost or an address of a private network"),
        ('syslog = "tcp://0.0.0.0"\nplain = true', "only for localhost or an address of a private network"),
        (f"{TLS}\nplain = true", "plain is for tcp://"),
        (f'{NEAR}\nca_file = "ca.pem"', "ca_file is for tls://"),
        (f'{NEAR}\ncertificate = "c.pem"', "certificate is for tls://"),
        (f'{TLS}\nkey = "k.pem"', "key needs certificate"),
        (f'{TLS}\nfingerprint = "12"', "fingerprint must have 64 hex digits"),
        (f'{TLS}\nfacility = "mail"', "facility must be one of audit"),
        (f"{TLS}\nport = 6514", "unknown key 'port'"),
        ("syslog = 5", "syslog must be text"),
    ],
)
def test_wrong_settings_are_refused(lines: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part) as refused:
        interpret(f"[audit_feed]\n{lines}\n", "vault.toml")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("tls://siem.example", FeedReceiver("siem.example", 6514, True)),
        ("tls://[2001:db8::1]:7000", FeedReceiver("2001:db8::1", 7000, True)),
        ("tcp://127.0.0.1", FeedReceiver("127.0.0.1", 601, False)),
    ],
)
def test_a_receiver_is_read(url: str, receiver: FeedReceiver) -> None:
    assert receiver_of(url) == receiver


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "192.168.1.2", "172.31.0.1", "[fd00::1]"]
)
def test_a_receiver_that_is_near_may_be_plain(host: str) -> None:
    settings = interpret(f'[audit_feed]\nsyslog = "tcp://{host}"\nplain = true\n', "vault.toml")
    assert settings.audit_feed.syslog == f"tcp://{host}"


def test_the_form_offers_the_facilities_that_there_are() -> None:
    assert set(FIELDS["audit_feed.facility"].choices) == set(FACILITIES)
    for name in FACILITIES:
        interpret(f'[audit_feed]\nfacility = "{name}"\n', "vault.toml")

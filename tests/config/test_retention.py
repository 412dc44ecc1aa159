"""[retention]: checks of its values."""

from __future__ import annotations

import pytest

from muniment.config.file import interpret
from muniment.config.model import RetentionSection
from muniment.errors import ConfigError
from muniment.service.host.session import without_secrets


def test_nothing_is_disposed_of_by_itself_unless_a_time_is_set() -> None:
    assert interpret("version = 1\n", "vault.toml").retention == RetentionSection(dispose="", zone="")


def test_a_time_and_a_zone_are_read_and_recorded() -> None:
    settings = interpret('[retention]\ndispose = "02:30"\nzone = "Europe/Berlin"\n', "vault.toml")
    assert settings.retention == RetentionSection(dispose="02:30", zone="Europe/Berlin")
    assert without_secrets(settings)["retention"] == {"dispose": "02:30", "zone": "Europe/Berlin"}
    assert "retention" not in without_secrets(interpret("version = 1\n", "vault.toml"))


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('dispose = "25:00"', "dispose must be a local time of day"),
        ('dispose = "2:30"', "dispose must be a local time of day"),
        ("dispose = 2", "dispose must be text"),
        ('zone = "Europe/Atlantis"', "zone is 'Europe/Atlantis', which this machine does not know"),
        ("batch = 5", "unknown key 'batch'"),
    ],
)
def test_wrong_settings_are_refused(line: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        interpret(f"[retention]\n{line}\n", "vault.toml")

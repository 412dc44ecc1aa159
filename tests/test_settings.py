"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def test_no_property_test_depends_on_the_speed_of_the_machine() -> None:
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check

"""State machines of Hypothesis as tests."""

from __future__ import annotations

from unittest import TestCase

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine


def machine_test(machine: type[RuleBasedStateMachine], how: settings) -> type[TestCase]:
    """A test of a machine with its own settings. Several tests of one machine don't share settings."""
    return type(f"{machine.__name__}Test", (machine.TestCase,), {"settings": how})

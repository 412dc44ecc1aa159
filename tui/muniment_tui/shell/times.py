"""How often the app looks and draws, and how long it waits and shows."""

from __future__ import annotations

from msgspec import Struct


class AppTimes(Struct, frozen=True, kw_only=True):
    """The app's times, in seconds."""

    states: float = 1.0
    """Between two states of a stream. The service computes a state when it is requested."""
    drawings: float = 0.9
    """Minimum time between two drawings of a run's progress. States come once a second."""
    proof: float = 2.0
    """Between two looks at the present checkpoint, while Proof is shown."""
    retry: float = 5.0
    """Until a lost connection to the service is retried."""
    setup: float = 1.5
    """Between two updates of Setup while the first report is awaited."""
    home: float = 10.0
    """Between two updates of Home. A run that ends causes one at once."""
    notice: float = 5.0
    """How long a notice covers the status line. An error stays as long, and then until the next key."""
    hint: float = 2.0
    """How long the answer to a key that does nothing covers the status line."""
    unasked: float = 0.5
    """How long keys are dropped after a question has opened by itself. They were meant for what had the
    focus."""
    key: float = 5.0
    """How long a key waits until the key before it is handled."""


TIMES = AppTimes()

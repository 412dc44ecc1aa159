"""The progress of an export: the total at once, then at most twice a second."""

from __future__ import annotations

from muniment.cli.progress import step_words
from muniment.service.operations.exports.export_steps import ExportSteps


def test_the_first_step_names_the_total_and_later_ones_the_time_left() -> None:
    now = [100.0]
    steps = ExportSteps(lambda: now[0])
    (first,) = steps.due(1, 5_000)
    assert step_words(first) == "[....................] 1 of 5,000 messages, 0%"
    assert list(steps.due(2, 5_000)) == []
    for second in range(1, 11):
        now[0] = 100.0 + second
        found = list(steps.due(100 * second, 5_000))
    assert [step_words(step) for step in found] == [
        "[####................] 1,000 of 5,000 messages, 100/s, 20%, about 1 min left"
    ]


def test_a_total_that_was_too_low_never_gives_more_than_everything() -> None:
    (step,) = ExportSteps(lambda: 0.0).due(12, 10)
    assert (step.text, step.percent) == ("12 of 12 messages", 100)

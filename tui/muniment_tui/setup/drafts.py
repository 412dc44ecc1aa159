"""The texts of set-up's fields that are typed and not saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from muniment.api import SetupStep
from muniment_tui.terminal.safe_text import clean

Texts = Mapping[str, Mapping[str, str]]
"""What fields hold, by step and field."""


class StepDrafts:
    """The unsaved texts, by step."""

    def __init__(self) -> None:
        self._drafts: dict[str, dict[str, str]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._drafts

    def __iter__(self) -> Iterator[str]:
        """The steps with unsaved texts."""
        return iter(self._drafts)

    def __len__(self) -> int:
        return len(self._drafts)

    def of(self, key: str) -> dict[str, str]:
        """The unsaved texts of a step."""
        return dict(self._drafts.get(key, {}))

    def all(self) -> dict[str, str]:
        """The unsaved texts of all steps."""
        return {name: text for texts in self._drafts.values() for name, text in texts.items()}

    def keep(self, step: SetupStep, now: Mapping[str, str]) -> None:
        """Keep what the fields of a step hold now, as far as it differs from what is saved."""
        saved = {one.name: (one.value, clean(one.value)) for one in step.fields}  # a field is sanitised
        changed = {name: now[name] for name in saved if name in now and now[name] not in saved[name]}
        self._drafts.pop(step.key, None)
        if changed:
            self._drafts[step.key] = changed

    def texts(self, steps: Iterable[SetupStep]) -> Texts:
        """What the fields of steps hold, saved or not."""
        return {step.key: {one.name: one.value for one in step.fields} | self.of(step.key) for step in steps}

    def keep_newer(self, sent: Texts, now: Texts, steps: Iterable[SetupStep]) -> None:
        """Keep only what was typed after texts were sent to be saved.

        `sent` and `now` are what the fields of those steps held then and hold now. `steps` have the saved
        values.
        """
        for step in steps:
            before, after = sent.get(step.key), now.get(step.key, {})
            if before is not None:
                self.keep(step, {name: text for name, text in after.items() if text != before.get(name)})

    def clear(self) -> None:
        """Forget all."""
        self._drafts.clear()

"""Bates numbers: none is given twice, in any order of productions, crashes and rebuilds."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from muniment.archive.catalog.audit_keys import PRODUCED, decoded
from muniment.archive.productions.bates import BatesNumbers, check_prefix, label, last_number, numbering
from muniment.archive.vault.open_vault import create_vault, open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError, VaultError
from support.machines import machine_test

EVENT = {"event": "numbered", "who": "ada", "uid": 7, "role": "auditor", "word": "Export", "at": 1}
PREFIXES = ("ABC", "abc", "ABC-", "A1B")


@pytest.mark.parametrize("prefix", ["A", "ABC", "abc-", "2024-Case_", "x" * 32])
def test_prefixes_that_can_be_used(prefix: str) -> None:
    check_prefix(prefix)
    assert label(prefix, 12) == f"{prefix}0000012"
    assert label(prefix, 123_456_789) == f"{prefix}123456789"


@pytest.mark.parametrize(
    "prefix", ["", "1", "ABC1", "-A", "_A", "=A", "A B", "A/B", "../A", "Ä", "A\x1b", "A.", "x" * 33, "A\n"]
)
def test_prefixes_that_can_not_be_used(prefix: str) -> None:
    with pytest.raises(UsageError, match="can't be the prefix"):
        check_prefix(prefix)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    (tmp_path / "vault").mkdir(mode=0o700)
    return create_vault(tmp_path / "vault")


def test_numbers_go_on_over_productions_and_a_stopped_one_gives_the_rest_back(vault: Vault) -> None:
    with closing(vault):
        with numbering(vault, "ABC", EVENT, 10) as numbers:
            assert (numbers.take(3), numbers.take(1)) == (1, 4)
            assert last_number(vault, "abc") == 10
            numbers.finish(documents=4)
        assert last_number(vault, "ABC") == 4
        with suppress(RuntimeError), numbering(vault, "abc", EVENT, 10) as numbers:
            assert numbers.take(25) == 5
            raise RuntimeError
        assert last_number(vault, "ABC") == 29
        with numbering(vault, "ABC", EVENT) as numbers:
            assert numbers.first == 30
        assert last_number(vault, "ABC") == 29
        events = [decoded(row.event) for row in vault.catalog.audited(keys=["bates:ABC"])]
        assert [(event["event"], event["first"], event["last"]) for event in reversed(events)] == [
            ("numbered", 1, 10), (PRODUCED, 1, 4), ("numbered", 5, 29),
        ]  # fmt: skip


def test_two_productions_with_one_prefix_wait_for_each_other(vault: Vault) -> None:
    with closing(vault), numbering(vault, "ABC", EVENT) as first:
        with pytest.raises(VaultError, match="another production"), numbering(vault, "abc", EVENT):
            pass
        with numbering(vault, "ABC-", EVENT) as second:
            assert (first.take(1), second.take(1)) == (1, 1)


def test_a_vault_that_can_not_be_written_gives_no_number(vault: Vault) -> None:
    vault.close()
    reader = open_vault(vault.folder, write=False)
    with closing(reader), pytest.raises(VaultError, match="open for reading"), numbering(reader, "A", EVENT):
        pass


class Productions(RuleBasedStateMachine):
    """Productions begin, take numbers, end, stop and crash in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.work = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.copies = 0
        (self.work / "0").mkdir(mode=0o700)
        self.vault = create_vault(self.work / "0")
        self.under_way: dict[str, tuple[BatesNumbers, ExitStack]] = {}
        self.given: list[str] = []
        self.last: dict[str, int] = {}
        """The last number that a document has, by prefix in capitals."""

    @rule(prefix=st.sampled_from(PREFIXES), block=st.sampled_from([1, 3, 10]))
    def begin(self, prefix: str, block: int) -> None:
        with ExitStack() as stack:
            try:
                numbers = stack.enter_context(numbering(self.vault, prefix, EVENT, block))
            except VaultError:
                assert prefix.upper() in self.under_way
                return
            assert prefix.upper() not in self.under_way
            assert numbers.first > self.last.get(prefix.upper(), 0)
            self.under_way[prefix.upper()] = numbers, stack.pop_all()

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), count=st.integers(1, 12))
    def take(self, data: st.DataObject, count: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.under_way)))
        numbers = self.under_way[key][0]
        first = numbers.take(count)
        self.given += [label(numbers.prefix, first + at).upper() for at in range(count)]
        self.last[key] = first + count - 1

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), stopped=st.booleans())
    def end(self, data: st.DataObject, stopped: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.under_way)))
        numbers, stack = self.under_way.pop(key)
        if stopped:
            with suppress(RuntimeError), stack:
                raise RuntimeError
        else:
            numbers.finish()
            stack.close()
        assert last_number(self.vault, key) == self.last.get(key, 0)

    @rule()
    def crash(self) -> None:
        """The machine stops: what is on the disk now is all that is left."""
        self.copies += 1
        copy = Path(shutil.copytree(self.vault.folder, self.work / str(self.copies)))
        for _, stack in self.under_way.values():
            stack.close()
        self.under_way.clear()
        self.vault.close()
        self.vault = open_vault(copy, write=True)
        for key, last in self.last.items():
            # The crash used up reserved numbers; no document of a later production may have one.
            assert last_number(self.vault, key) >= last
            self.last[key] = last_number(self.vault, key)

    @rule()
    def rebuild(self) -> None:
        self.vault.renew_catalog()

    @invariant()
    def no_number_was_given_twice(self) -> None:
        assert len(set(self.given)) == len(self.given)

    def teardown(self) -> None:
        for _, stack in self.under_way.values():
            stack.close()
        before = self.vault.catalog.dump()
        self.vault.renew_catalog()
        assert self.vault.catalog.dump() == before
        self.vault.close()
        self._stack.close()


BRIEF = settings(
    max_examples=8, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
LONG = settings(BRIEF, max_examples=100, stateful_step_count=40)
TestProductions = pytest.mark.slow(machine_test(Productions, BRIEF))
TestProductionsAtLength = pytest.mark.soak(pytest.mark.timeout(3600)(machine_test(Productions, LONG)))

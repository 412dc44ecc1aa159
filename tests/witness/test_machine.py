"""Whatever a log sends, in any order, a witness never signs two histories of it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from muniment.evidence.checkpoint_body import read_body
from muniment.evidence.signed_note import verified
from muniment.evidence.witness_request import WitnessRequest, read_request
from muniment.witness.judge import CONTRADICTION, MALFORMED, OTHER_SIZE, SIGNED, judge
from muniment.witness.state import WitnessState
from support.witnesses import SmallLog, leaves

MOST = 24
HISTORIES = {
    "true": leaves(MOST),
    "forked at 5": leaves(5) + leaves(MOST, b"f")[5:],
    "forked at 16": leaves(16) + leaves(MOST, b"g")[16:],
    "other": leaves(MOST, b"o"),
}
names = st.sampled_from(sorted(HISTORIES))
sizes = st.integers(0, MOST)


class HostileLog(RuleBasedStateMachine):
    """A log with a stolen key, which signs any history. The model is the leaves that were signed last."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mt-witness-"))
        self.state = WitnessState(self.folder)
        self.state.make("w.example/1")
        self.logs = {name: SmallLog(history) for name, history in HISTORIES.items()}
        key = self.logs["true"].key
        for log in self.logs.values():
            log.key = key
        self.state.trust([key.verifier])
        self.seen: list[bytes] = []
        """The leaves of the last history that was signed."""

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @rule(name=names, size=sizes)
    def grow(self, name: str, size: int) -> None:
        """Send what an honest log of this history would send."""
        if size < len(self.seen):
            return
        log = self.logs[name]
        answer = judge(self.state, log.request(len(self.seen), size))
        honest = log.leaves[: len(self.seen)] == self.seen
        assert answer.status == (SIGNED if honest else CONTRADICTION)
        if honest:
            self.seen = log.leaves[:size]

    @rule(name=names, old=sizes, size=sizes)
    def send(self, name: str, old: int, size: int) -> None:
        """Send any size with any old one."""
        log = self.logs[name]
        proof = log.proof(old, size) if old <= size else ()
        answer = judge(self.state, str(WitnessRequest(old, proof, log.note(size))).encode())
        if old > size:
            assert answer.status == MALFORMED
        elif old != len(self.seen):
            assert (answer.status, answer.size) == (OTHER_SIZE, len(self.seen))
        else:
            assert answer.status in (SIGNED, CONTRADICTION)
            if answer.status == SIGNED:
                assert log.leaves[: len(self.seen)] == self.seen
                self.seen = log.leaves[:size]

    @rule(name=names, other=names, size=sizes)
    def mix(self, name: str, other: str, size: int) -> None:
        """Send the checkpoint of one history with the proof of another."""
        if size < len(self.seen):
            return
        proof = self.logs[other].proof(len(self.seen), size)
        request = WitnessRequest(len(self.seen), proof, self.logs[name].note(size))
        answer = judge(self.state, str(request).encode())
        if answer.status == SIGNED:
            assert self.logs[name].leaves[: len(self.seen)] == self.seen
            self.seen = self.logs[name].leaves[:size]

    @rule()
    def restart(self) -> None:
        self.state = WitnessState(self.folder)

    @invariant()
    def the_witness_knows_what_it_has_signed(self) -> None:
        if not hasattr(self, "state"):
            return
        last = self.state.last(self.logs["true"].key.name)
        if last is None:
            assert self.seen == []
            return
        assert read_body(last.text).size == len(self.seen)
        keys = [key.verifier for key in self.state.signing_keys()]
        assert set(verified(last, keys)) == set(keys)
        for _, path in self.state.refused(self.logs["true"].key.name):
            assert verified(read_request(path.read_bytes()).note, [self.logs["true"].key.verifier])


TestHostileLog = HostileLog.TestCase
TestHostileLog.settings = settings(max_examples=20, stateful_step_count=15)

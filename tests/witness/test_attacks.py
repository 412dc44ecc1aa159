"""What a witness in a second process answers to honest logs, and to those that were changed."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from muniment.evidence.checkpoint_body import CheckpointBody
from muniment.evidence.merkle import EMPTY_ROOT
from muniment.evidence.note_keys import KeyKind, has_ml_dsa, new_key
from muniment.evidence.signed_note import SignedNote, parse_note, read_signatures, signed, verified
from muniment.evidence.witness_request import LARGEST_REQUEST, SIZE_TYPE, WitnessRequest
from muniment.witness.judge import judge
from muniment.witness.state import WitnessState, origin_hash
from support.witnesses import RunningWitness, SmallLog, leaves, make_witness, serving, witness_command

HISTORY = leaves(40)


_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWitness]:
    """One witness for all tests here; each test has a log of its own."""
    folder = tmp_path_factory.mktemp("witness")
    with serving(folder / "w", make_witness(folder / "w")) as running:
        yield running


@pytest.fixture
def log(witness: RunningWitness) -> SmallLog:
    """A log with a name of its own, which the witness trusts."""
    log = SmallLog(HISTORY, origin=f"example.com/log{next(_NUMBERS)}")
    WitnessState(witness.folder).trust([log.key.verifier])
    return log


def cosigned(witness: RunningWitness, log: SmallLog, size: int, lines: str) -> dict[str, int]:
    """The kinds of keys that signed an answer, with the times they state."""
    note = log.note(size).with_signatures(read_signatures(lines))
    found = verified(note, witness.keys)
    return {key.kind.name: time for key, time in found.items() if time is not None}


def test_an_honest_log_is_signed_step_by_step(witness: RunningWitness, log: SmallLog) -> None:
    old = 0
    for size in (1, 7, 8, 8, 31, 40):
        status, text, kind = witness.add(log.request(old, size))
        assert (status, kind) == (200, "text/plain")
        assert set(cosigned(witness, log, size, text)) == {key.kind.name for key in witness.keys}
        old = size
    status, data = witness.get(f"{origin_hash(log.key.name)}/checkpoint")
    note = parse_note(data)
    assert (status, note.text) == (200, log.note(40).text)
    assert set(verified(note, [*witness.keys, log.key.verifier])) == {*witness.keys, log.key.verifier}


def test_a_log_that_was_set_back_learns_the_size_that_is_known(
    witness: RunningWitness, log: SmallLog
) -> None:
    assert witness.add(log.request(0, 31))[0] == 200
    for old, size in ((0, 40), (0, 7), (7, 8), (7, 31), (30, 40)):
        assert witness.add(log.request(old, size)) == (409, "31\n", SIZE_TYPE)
    assert witness.add(log.request(31, 40))[0] == 200


def test_a_replayed_older_checkpoint_is_not_signed_again(witness: RunningWitness, log: SmallLog) -> None:
    first, second = log.request(0, 7), log.request(7, 31)
    assert [witness.add(one)[0] for one in (first, second, first, second)] == [200, 200, 409, 409]


def history(kind: str) -> list[bytes]:
    """The history of a log that was changed after its checkpoint of 31 records."""
    return {
        "forked": HISTORY[:20] + leaves(20, b"other"),
        "re-hashed from the start": leaves(40, b"again"),
        "one record gone": HISTORY[:5] + HISTORY[6:] + leaves(1, b"new"),
        "cut and grown again": HISTORY[:30] + leaves(10, b"later"),
        "two records swapped": [HISTORY[1], HISTORY[0], *HISTORY[2:]],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["forked", "re-hashed from the start", "one record gone", "cut and grown again", "two records swapped"],
)
def test_a_changed_history_is_refused_and_kept_as_evidence(
    witness: RunningWitness, log: SmallLog, kind: str
) -> None:
    assert witness.add(log.request(0, 31))[0] == 200
    changed = SmallLog(history(kind), log.key)
    for size in (31, 32, 40):
        assert witness.add(changed.request(31, size))[0] == 422
    # also with the proof of the true history
    false = WitnessRequest(31, log.proof(31, 40), changed.note(40))
    assert witness.add(str(false).encode())[0] == 422

    # the witness still stands by what it has signed, and says that something is wrong
    assert witness.add(log.request(31, 40))[0] == 200
    shown = subprocess.run(
        witness_command(witness.folder, "status", "--json"), capture_output=True, timeout=60
    )
    assert shown.returncode == 6
    found = next(one for one in json.loads(shown.stdout)["logs"] if one["origin"] == log.key.name)
    assert found["size"] == 40
    assert len(found["refused"]) == 3
    proofs = [Path(path).read_bytes() for path in found["refused"]]
    assert {one.rpartition(b"\n\n")[0] for one in proofs} == {
        one.rpartition(b"\n\n")[0] for one in (changed.request(31, s) for s in (31, 32, 40))
    }


def test_wrong_proofs_are_refused(witness: RunningWitness, log: SmallLog) -> None:
    def sent(old: int, proof: tuple[bytes, ...], note: SignedNote) -> int:
        return witness.add(str(WitnessRequest(old, proof, note)).encode())[0]

    assert sent(0, log.proof(7, 31), log.note(31)) == 422
    assert sent(0, (), log.note(31)) == 200
    right = log.proof(31, 40)
    for proof in ((), right[:-1], (*right, bytes(32)), right[::-1], (bytes(32), *right[1:])):
        assert sent(31, proof, log.note(40)) == 422
    assert sent(31, (bytes(32),), log.note(31)) == 422
    assert sent(31, right, log.note(40)) == 200


def test_the_empty_tree_has_one_root(witness: RunningWitness, log: SmallLog) -> None:
    for root, status in ((bytes(32), 422), (EMPTY_ROOT, 200)):
        note = signed(CheckpointBody(log.key.name, 0, root).text, [log.key])
        assert witness.add(str(WitnessRequest(0, (), note)).encode())[0] == status


def test_unknown_logs_and_keys_are_refused(witness: RunningWitness, log: SmallLog) -> None:
    assert witness.add(SmallLog(HISTORY, origin="other.example/log").request(0, 7))[0] == 404
    assert (
        witness.add(SmallLog(HISTORY, origin=log.key.name).request(0, 7))[0] == 403
    )  # the right origin, another key
    # a line of the right key, of another checkpoint
    note = SignedNote(log.note(7).text, log.note(8).signatures)
    assert witness.add(str(WitnessRequest(0, (), note)).encode())[0] == 403
    # a right line beside a wrong one
    spoiled = SignedNote(log.note(7).text, (*log.note(7).signatures, *log.note(8).signatures))
    assert witness.add(str(WitnessRequest(0, (), spoiled)).encode())[0] == 403
    # a foreign signature does no harm
    more = log.note(7).with_signatures(SmallLog(HISTORY, origin=log.key.name).note(7).signatures)
    assert witness.add(str(WitnessRequest(0, (), more)).encode())[0] == 200
    assert witness.get(f"{origin_hash('other.example/log')}/checkpoint")[0] == 404


HOSTILE = {
    "nothing": b"",
    "no old": b"new 0\n\nx",
    "a negative size": b"old -1\n\n",
    "a leading zero": b"old 00\n\n",
    "an endless number": b"old " + b"9" * 10_000 + b"\n\n",
    "no base64": b"old 0\n!!!!\n\n",
    "a short hash": b"old 0\nAAAA\n\n",
    "sixty-four hashes": b"old 0\n" + b"A" * 43 + b"=\n" * 64 + b"\n",
    "carriage returns": b"old 0\r\n\r\n",
    "NULs": bytes(1000),
    "no UTF-8": b"old 0\n\n\xff\xfe",
    "escape sequences": b"old 0\n\n\x1b]0;x\x07\n\n",
    "a plus in front": b"old +1\n\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lines_are_refused(witness: RunningWitness, log: SmallLog, name: str) -> None:
    assert witness.add(HOSTILE[name] + str(log.note(7)).encode())[0] in (400, 404)
    assert witness.add(HOSTILE[name])[0] == 400
    assert witness.add(log.request(0, 7))[0] == 200


def test_an_old_size_above_the_new_one_is_malformed(witness: RunningWitness, log: SmallLog) -> None:
    assert witness.add(str(WitnessRequest(8, (), log.note(7))).encode())[0] == 400


def test_a_huge_body_is_refused(witness: RunningWitness, log: SmallLog) -> None:
    assert witness.add(log.request(0, 7) + b"x" * LARGEST_REQUEST)[0] == 413
    assert witness.add(log.request(0, 7))[0] == 200


@pytest.mark.parametrize(
    "path", ["", "add-checkpoint", "..%2fkey/checkpoint", "x/checkpoint", f"{'a' * 63}%0a/checkpoint"]
)
def test_nothing_but_checkpoints_can_be_read(witness: RunningWitness, path: str) -> None:
    status, data = witness.get(path)
    assert status in (404, 405)
    assert b"PRIVATE" not in data


def test_what_was_signed_is_known_after_a_restart_and_damage_is_not_taken_for_nothing(tmp_path: Path) -> None:
    log = SmallLog(HISTORY)
    keys = make_witness(tmp_path / "w", log.key.verifier)
    with serving(tmp_path / "w", keys) as witness:
        assert witness.add(log.request(0, 31))[0] == 200
    with serving(tmp_path / "w", keys) as witness:
        assert witness.add(log.request(0, 40)) == (409, "31\n", SIZE_TYPE)
        assert witness.add(log.request(31, 40))[0] == 200
        (tmp_path / "w" / "seen" / origin_hash(log.key.name)).write_bytes(b"half")
        assert witness.add(log.request(0, 40))[0] == 500
        assert witness.add(log.request(40, 40))[0] == 500


def test_of_two_histories_at_once_one_is_signed(witness: RunningWitness, log: SmallLog) -> None:
    """Comparing and writing are one step, also between the server and `witness add`."""
    rivals = [SmallLog(HISTORY[:10] + leaves(5, bytes([n])), log.key) for n in range(8)]
    assert witness.add(log.request(0, 10))[0] == 200

    def sent(number: int) -> int:
        request = rivals[number].request(10, 12)
        return witness.add(request)[0] if number % 2 else judge(WitnessState(witness.folder), request).status

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(sent, range(8)))
    assert sorted(answers) == [200, *[409] * 7]


@pytest.mark.skipif(not has_ml_dsa(), reason="the library has no ML-DSA-44")
def test_a_quantum_safe_log_is_signed_as_well(witness: RunningWitness) -> None:
    log = SmallLog(HISTORY, new_key("example.com/quantum", KeyKind.ML_DSA_44))
    WitnessState(witness.folder).trust([log.key.verifier])
    assert witness.add(log.request(0, 7))[0] == 200
    assert witness.add(log.request(7, 31))[0] == 200
    assert witness.add(SmallLog(leaves(40, b"x"), log.key).request(31, 40))[0] == 422

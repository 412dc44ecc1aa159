"""A log that signs any history, and witnesses in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import urllib3

from muniment.evidence.checkpoint_body import CheckpointBody
from muniment.evidence.merkle import MerkleFrontier
from muniment.evidence.note_keys import KeyKind, SigningKey, VerifierKey, new_key, read_verifier
from muniment.evidence.signed_note import SignedNote, signed
from muniment.evidence.tree_proofs import consistency_proof
from muniment.evidence.witness_request import WitnessRequest

ORIGIN = "example.com/muniment/4f2a09c1d2e3f405"


class LeafTree:
    """The hashes of a tree of few leaves (`evidence.tree_proofs.SubtreeHashes`)."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves

    def full(self, start: int, width: int) -> bytes:
        tree = MerkleFrontier()
        for leaf in self.leaves[start : start + width]:
            tree.add(leaf)
        return tree.root()


class SmallLog:
    """A log whose history is a list of leaves. It signs anything, as a thief of its key would."""

    def __init__(self, leaves: Sequence[bytes], key: SigningKey | None = None, origin: str = ORIGIN) -> None:
        self.leaves = list(leaves)
        self.key = key or new_key(origin, KeyKind.ED25519)

    def note(self, size: int) -> SignedNote:
        root = LeafTree(self.leaves).full(0, size)
        return signed(CheckpointBody(self.key.name, size, root).text, [self.key])

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        return tuple(consistency_proof(LeafTree(self.leaves), old, size))

    def request(self, old: int, size: int) -> bytes:
        return str(WitnessRequest(old, self.proof(old, size), self.note(size))).encode()


def leaves(number: int, seed: bytes = b"") -> list[bytes]:
    """Some hashes of leaves."""
    tree = MerkleFrontier()
    found = []
    for place in range(number):
        tree.add(seed + place.to_bytes(32 - len(seed), "big"))
        found.append(tree.peaks[-1])
    return found


class RunningWitness:
    """A witness in a process of its own."""

    def __init__(self, folder: Path, url: str, keys: list[VerifierKey]) -> None:
        self.folder = folder
        self.url = url
        self.keys = keys
        self._pool = urllib3.PoolManager(retries=False)

    def add(self, data: bytes) -> tuple[int, str, str]:
        """Send a request; returns the status, the text and the content type of the answer."""
        answer = self._pool.request("POST", f"{self.url}add-checkpoint", body=data, timeout=30)
        return answer.status, answer.data.decode(), answer.headers["Content-Type"]

    def get(self, path: str) -> tuple[int, bytes]:
        answer = self._pool.request("GET", f"{self.url}{path}", timeout=30)
        return answer.status, answer.data

    def close(self) -> None:
        self._pool.clear()


def witness_command(folder: Path, *words: str) -> list[str]:
    """The arguments that run `muniment witness ...` in a process of its own."""
    return [sys.executable, "-m", "muniment", "witness", words[0], "--folder", str(folder), *words[1:]]


def make_witness(folder: Path, *logs: VerifierKey, name: str = "witness.example.org/w1") -> list[VerifierKey]:
    """Make a witness that trusts logs, by the commands; returns its public keys."""
    made = subprocess.run(
        witness_command(folder, "init", name, "--json"), capture_output=True, check=True, timeout=60
    )
    if logs:
        subprocess.run(
            witness_command(folder, "trust", *map(str, logs)), capture_output=True, check=True, timeout=60
        )
    return [read_verifier(one) for one in json.loads(made.stdout)["keys"]]


@contextmanager
def serving(folder: Path, keys: list[VerifierKey]) -> Iterator[RunningWitness]:
    """Serve a witness on loopback while the context is open."""
    process = subprocess.Popen(
        witness_command(folder, "serve", "--listen", "127.0.0.1:0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert "listens on" in line
        running = RunningWitness(folder, line.split(" ")[-1].strip(), keys)
        yield running
        running.close()
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()

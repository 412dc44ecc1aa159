"""A stranger with a bare Debian checks the proof of a message, with what docs/proof.md says to install.

Needs root, debootstrap, and access to Debian's packages.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.signed_checkpoints import SignedCheckpoints
from muniment.evidence.checkpoint_body import CheckpointBody
from muniment.evidence.note_keys import KeyKind, new_key
from muniment.evidence.signed_note import signed
from support.reports import plain, report
from support.vaults import TestVault

ROOT = Path(__file__).parents[2]
TOOL, SCRIPT = ROOT / "tools" / "debian.py", ROOT / "tools" / "verify_ledger.py"
ORIGIN = "example.com/muniment/debian"
INSIDE = "/srv/stranger"

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a Debian"),
]


def packages() -> list[str]:
    """What the page for strangers says to install: for a proof, then for signatures."""
    page = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")
    return re.findall(r"^    apt install ([\w-]+)", page, re.MULTILINE)


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def debian(request: pytest.FixtureRequest) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="muniment-debian-", dir="/var/tmp") as folder:
        root = Path(folder, request.param)
        words = [sys.executable, str(TOOL), "make", request.param, str(root), packages()[0]]
        done = subprocess.run(words, capture_output=True, text=True, timeout=1800, check=False)
        if done.returncode == 2 and not os.environ.get("CI"):
            pytest.skip(done.stderr)
        assert done.returncode == 0, done.stderr
        yield root
        assert str(root) not in Path("/proc/self/mounts").read_text()


def inside(root: Path, *words: str) -> tuple[int, str]:
    """Run a command in the Debian; returns its exit code and its output."""
    line = [sys.executable, str(TOOL), "run", "--in", INSIDE, str(root), *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=1800, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_stranger_checks_a_proof(debian: Path, tmp_path: Path) -> None:
    made = TestVault(tmp_path / "vault")
    made.archive([report(plain(subject=f"letter {number}")) for number in range(9)])
    key = new_key(ORIGIN, KeyKind.ED25519)
    with closing(open_vault(made.folder, write=False)) as vault:
        body = CheckpointBody(ORIGIN, vault.head.tree_size, vault.head.root)
        SignedCheckpoints(made.folder).keep(signed(body.text, [key]))
    folder = debian / INSIDE.lstrip("/")
    folder.mkdir(parents=True)
    (folder / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    list(made.client.stream(api.Prove(id=made.messages()[3].id, path=str(folder / "proof.zip"))))
    check = ("python3", SCRIPT.name, "--proof", "proof.zip")
    root = f"{body.size}:{body.root.hex()}"
    code, said = inside(debian, *check, "--root", root)
    assert (code, said.endswith("all is well\n")) == (0, True), said
    code, said = inside(debian, *check, "--key", str(key.verifier))
    assert (code, "install the module cryptography" in said) == (3, True), said
    code, said = inside(debian, "apt-get", "install", "-y", "-qq", "--no-install-recommends", packages()[1])
    assert code == 0, said
    code, said = inside(debian, *check, "--root", root, "--key", str(key.verifier))
    assert (code, said.endswith(f"signed by {ORIGIN}\nall is well\n")) == (0, True), said
    data = bytearray((folder / "proof.zip").read_bytes())
    data[200] ^= 1
    (folder / "proof.zip").write_bytes(data)
    code, said = inside(debian, *check, "--root", root)
    assert (code, said.startswith("WRONG message.eml was changed")) == (1, True), said

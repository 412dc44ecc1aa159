"""A proof of a message: a stranger's script accepts it as it was written, and refuses each change of it."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from muniment import api
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.frame import leaf_entry
from muniment.archive.ledger.tree_tiles import TILE
from muniment.archive.operations.message_proof import MessageProof, newest_state, noted_state
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.signed_checkpoints import SignedCheckpoints
from muniment.archive.vault.vault import Vault
from muniment.errors import Erased, LedgerDamaged, MunimentError, UsageError, VaultError
from muniment.evidence.checkpoint_body import CheckpointBody
from muniment.evidence.note_keys import KeyKind, SigningKey, new_key
from muniment.evidence.plain_zip import PlainZip
from muniment.evidence.proof_file import parse_proof
from muniment.evidence.signed_note import signed
from support.erased import erase
from support.reports import fork, line, plain, report
from support.scripts import loaded
from support.vaults import TestVault

SCRIPT = Path(__file__).parents[2] / "tools" / "verify_ledger.py"
ORIGIN = "example.com/muniment/test"
MAIL = plain(subject="the letter", body="secret\r\n" * 30, attachments=[("a.pdf", b"%PDF" + b"x" * 900)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with a message that two reports brought, and that an auditor has read."""
    made = TestVault(tmp_path_factory.mktemp("proof") / "vault")
    others = [report(plain(subject=f"other {number}")) for number in range(90)]
    first = report(
        MAIL, recipients=["bob@example.com", line("Bcc", "eve@example.com", expanded="all@example.com")]
    )
    made.archive([*others[:40], first, *others[40:]])
    made.archive([report(fork(MAIL, 7), recipients=[line("Cc", "carol@example.com")])])
    with closing(open_vault(made.folder, write=True)) as vault:
        sha = message(vault)
        for number in range(3):
            read = {"event": "read", "who": f"audrey{number}", "uid": 7, "role": "auditor", "word": "Show"}
            vault.log([read | {"messages": [sha], "reason": "case 7", "at": 1_700_000_000 + number}])
            vault.log([read | {"messages": ["00" * 32]}, read | {"word": "Search", "query": sha}])
    return made.folder


def message(vault: Vault) -> str:
    return next(iter(TestVault(vault.folder).search("subject:letter"))).id


@pytest.fixture(scope="module")
def vault(folder: Path) -> Iterator[Vault]:
    with closing(open_vault(folder, write=False)) as opened:
        yield opened


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return loaded(SCRIPT)


def proof_of(vault: Vault, prefix: str = "") -> bytes:
    row = vault.catalog.message_by_prefix(prefix or message(vault))
    file = io.BytesIO()
    last = max(copy.sequence for copy in vault.catalog.envelopes_of(row.sequence))
    assert list(MessageProof(vault, row, newest_state(vault, last)).write(file))
    return file.getvalue()


@pytest.fixture(scope="module")
def proof(vault: Vault) -> bytes:
    return proof_of(vault)


def accepted(script: ModuleType, data: bytes) -> bool:
    try:
        script.check_proof(io.BytesIO(data))
    except script.Damaged:
        return False
    return True


def alone(path: Path, *options: str, code: int = 0, isolated: tuple[str, ...] = ("-I", "-S")) -> str:
    """What the script says of a proof, in a Python that has no module but its own."""
    command = [sys.executable, *isolated, str(SCRIPT), "--proof", str(path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_proof_holds_the_message_and_all_that_belongs_to_it(
    folder: Path, vault: Vault, proof: bytes
) -> None:
    client = TestVault(folder)
    (hit,) = client.search("subject:letter")
    with zipfile.ZipFile(io.BytesIO(proof)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    assert files["message.eml"] == client.raw(hit.id)
    assert [files[f"copies/{number}.eml"] for number in (1, 2)] == [
        client.report(hit.id, number) for number in (1, 2)
    ]
    reads = [json.loads(files[f"reads/{number}.json"]) for number in (1, 2, 3)]
    assert [read["who"] for read in reads] == ["audrey0", "audrey1", "audrey2"]
    assert "reads/4.json" not in files
    assert files["verify_ledger.py"] == SCRIPT.read_bytes()
    about = json.loads(files["proof.json"])
    assert about["checkpoint"] == str(Checkpoint(vault.head.tree_size, vault.head.root))
    parties = [party["address"] for one in about["records"] for party in one.get("parties", ())]
    assert {"bob@example.com", "eve@example.com", "carol@example.com"} <= set(parties)
    proofs = [parse_proof(data.decode()) for name, data in files.items() if name.endswith(".tlog-proof")]
    assert len(proofs) == len(about["records"]) == 6
    assert all(one.leads_to_root() for one in proofs)


def test_the_page_says_it_in_plain_words(vault: Vault, proof: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(proof)) as packed:
        page = packed.read("README.txt").decode()
    for words in (
        f"The message      {message(vault)}\n",
        str(Checkpoint(vault.head.tree_size, vault.head.root)),
        "bcc          eve@example.com, by way of all@example.com\n",
        "copies/1.eml, a journal report of ",
        "audrey1, because: case 7 (reads/2.json)\n",
        "This checkpoint is not signed",
    ):
        assert words in page
    assert max(map(len, page.splitlines())) <= 110


def test_the_script_alone_accepts_it(vault: Vault, proof: bytes, tmp_path: Path) -> None:
    path = tmp_path / "proof.zip"
    path.write_bytes(proof)
    head = Checkpoint(vault.head.tree_size, vault.head.root)
    said = alone(path)
    assert f"message {message(vault)}\n" in said
    assert "copies that brought it: 2, recorded looks at it: 3\n" in said
    assert "compare it with your own" in said
    assert said.endswith("all is well\n")
    assert "compare" not in alone(path, "--root", str(head))
    assert "not in 5:0000" in alone(path, "--root", f"5:{'00' * 32}", code=1)
    other = f"{head.tree_size}:{'00' * 32}"
    assert "WRONG it is proven in the checkpoint" in alone(path, "--root", other, code=1)


def test_what_is_no_proof_is_said_in_one_sentence(vault: Vault, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    assert "can't be read" in alone(path, code=2)
    for content in (b"", b"no zip", b"PK\5\6" + bytes(18), os.urandom(500)):
        path.write_bytes(content)
        assert alone(path, code=1).startswith("WRONG ")
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("proof.json", "{}")
    assert "WRONG proof.json is not in the form" in alone(path, code=1)
    done = subprocess.run([sys.executable, "-I", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, "name a ledger, or a proof" in done.stderr) == (2, True)


# --- changes --------------------------------------------------------------------------------------


def refuse_changes(script: ModuleType, proof: bytes, number: int, seed: int) -> None:
    """Change one byte, `number` times, and assert that each is refused."""
    chosen = random.Random(seed)
    kept = []
    own = proof.index(SCRIPT.read_bytes())
    for count in range(number):
        at = chosen.randrange(len(proof))
        if count % 4 and own <= at < own + SCRIPT.stat().st_size:
            at = chosen.randrange(own)  # most of the file is the script
        data = bytearray(proof)
        data[at] ^= chosen.randrange(1, 256)
        if accepted(script, bytes(data)):
            kept.append((at, data[at]))
    assert kept == []
    assert accepted(script, proof)


def test_each_changed_byte_is_refused(script: ModuleType, proof: bytes) -> None:
    refuse_changes(script, proof, 2_000, 1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_each_of_100_000_changed_bytes_is_refused(script: ModuleType, proof: bytes) -> None:
    refuse_changes(script, proof, 100_000, 2)


def test_a_proof_that_is_cut_or_grows_is_refused(script: ModuleType, proof: bytes) -> None:
    for size in [*range(0, len(proof), 997), *range(len(proof) - 120, len(proof))]:
        assert not accepted(script, proof[:size])
    for more in (b"x", bytes(30), proof):
        assert not accepted(script, proof + more)
        assert not accepted(script, more + proof)
    for at in range(0, len(proof), 991):
        assert not accepted(script, proof[:at] + b"\0" + proof[at:])
        assert not accepted(script, proof[:at] + proof[at + 1 :])


Files = dict[str, bytes]


def repacked(proof: bytes, change: Callable[[Files], object]) -> bytes:
    """The proof with other files, in the right form and with right checksums, as a forger would write it."""
    with zipfile.ZipFile(io.BytesIO(proof)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    change(files)
    file = io.BytesIO()
    with PlainZip(file) as made:
        for name, data in files.items():
            made.add(name, [data])
        made.finish()
    return file.getvalue()


def edit(name: str, old: bytes, new: bytes) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


def swap(one: str, other: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        files[one], files[other] = files[other], files[one]

    return change


FORGERIES: dict[str, Callable[[Files], object]] = {
    "another message": edit("message.eml", b"secret", b"public"),
    "another copy": edit("copies/1.eml", b"eve@", b"eva@"),
    "another look": edit("reads/2.json", b"audrey1", b"malory1"),
    "a hidden message": lambda files: files.pop("message.eml"),
    "a hidden look": lambda files: files.pop("reads/1.json"),
    "a proof without its checkpoint": edit("proofs/message.tlog-proof", b"\n\n", b"\n"),
    "a file more": lambda files: files.update({"letter.eml": b"x"}),
    "no page": lambda files: files.pop("README.txt"),
    "no script": lambda files: files.pop("verify_ledger.py"),
    "no list": lambda files: files.pop("proof.json"),
    "a list of nothing": lambda files: files.update({"proof.json": b"{}"}),
    "a deep list": lambda files: files.update({"proof.json": b"[" * 100_000}),
    "a list of another type": edit("proof.json", b'"records": [', b'"records": 5, "x": ['),
    "another kind": edit("proof.json", b'"kind": "envelope"', b'"kind": "message"'),
    "another id": edit("proof.json", b'"message": "', b'"message": "0'),
    "another sequence": edit("proof.json", b'"sequence": ', b'"sequence": 1'),
    "another format": edit("proof.json", b'"format": 1', b'"format": 2'),
    "another checkpoint in the list": edit("proof.json", b'"checkpoint": "', b'"checkpoint": "1'),
    "another origin": edit("proofs/message.tlog-proof", b"\nmuniment/", b"\nmuniment.com/"),
    "swapped copies": swap("copies/1.eml", "copies/2.eml"),
    "swapped proofs": swap("proofs/copies-1.tlog-proof", "proofs/copies-2.tlog-proof"),
    "another text": edit("checkpoint.txt", b"muniment/", b"muniment."),
    "no text": lambda files: files.pop("checkpoint.txt"),
    "another index": edit("proofs/message.tlog-proof", b"index ", b"index 1"),
    "a leading zero": edit("proofs/message.tlog-proof", b"index ", b"index 0"),
    "another version": edit("proofs/message.tlog-proof", b"@v1", b"@v2"),
}


def test_repacking_without_a_change_gives_the_same_bytes(proof: bytes) -> None:
    assert repacked(proof, lambda files: None) == proof


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_in_the_right_form_are_refused(script: ModuleType, proof: bytes, name: str) -> None:
    assert not accepted(script, repacked(proof, FORGERIES[name]))


def test_two_files_of_one_name_are_refused(script: ModuleType, proof: bytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(proof)) as read, PlainZip(file) as packed:
        for name in read.namelist():
            packed.add(name, [read.read(name)])
        with pytest.warns(UserWarning, match="Duplicate"):
            packed.add("message.eml", [read.read("message.eml")])
        packed.finish()
    assert not accepted(script, file.getvalue())


# --- signatures -----------------------------------------------------------------------------------


@pytest.fixture
def notes(vault: Vault) -> Iterator[SignedCheckpoints]:
    kept = SignedCheckpoints(vault.folder)
    yield kept
    for size in kept.sizes():
        kept.path(size).unlink()


def sign(vault: Vault, notes: SignedCheckpoints, keys: list[SigningKey]) -> str:
    body = CheckpointBody(ORIGIN, vault.head.tree_size, vault.head.root)
    notes.keep(signed(body.text, keys))
    return str(Checkpoint(body.size, body.root))


def test_a_signed_checkpoint_is_used_and_checked(
    vault: Vault, notes: SignedCheckpoints, tmp_path: Path
) -> None:
    key, other = new_key(ORIGIN, KeyKind.ED25519), new_key(ORIGIN, KeyKind.ED25519)
    witness, foreign = new_key("witness.example", KeyKind.COSIGNATURE), new_key("x.example", KeyKind.ED25519)
    newer = new_key(ORIGIN, KeyKind.ML_DSA_44)
    checkpoint = sign(vault, notes, [key, newer, witness])
    path = tmp_path / "proof.zip"
    path.write_bytes(proof_of(vault))
    said = alone(path, "--key", str(key.verifier), "--key", str(witness.verifier), isolated=("-I",))
    assert f"proven in the ledger of {ORIGIN}, checkpoint {checkpoint}\n" in said
    assert f"signed by {ORIGIN}\nsigned by witness.example\nall is well\n" in said
    for wrong in (other, foreign):
        assert "WRONG the checkpoint is not signed by" in alone(
            path, "--key", str(wrong.verifier), code=1, isolated=("-I",)
        )
    for text in ("", "x", "a+b", "a+b+c", str(key.verifier)[:-5], str(key.verifier).replace("+", "+0", 1)):
        assert "no public key" in alone(path, "--key", text, code=2, isolated=("-I",))
    assert "install the module cryptography" in alone(path, "--key", str(key.verifier), code=3)
    with zipfile.ZipFile(path) as packed:
        page = packed.read("README.txt").decode()
    assert "--key 'NAME+ID+KEY'" in page
    assert f"Signed by        {ORIGIN}+{key.verifier.id.hex()}\n" in page
    said = alone(path, "--key", str(newer.verifier), isolated=("-I",))
    assert f"signed by {ORIGIN}\nall is well\n" in said


def test_a_time_stamp_is_in_the_proof(vault: Vault, notes: SignedCheckpoints, tmp_path: Path) -> None:
    """OpenSSL checks it against the text beside it; the script only checks that no byte was changed."""
    key = new_key(ORIGIN, KeyKind.ED25519)
    sign(vault, notes, [key])
    stamp = notes.path(vault.head.tree_size).with_suffix(".tsr")
    stamp.write_bytes(b"the answer of an authority")
    path = tmp_path / "proof.zip"
    path.write_bytes(proof_of(vault))
    stamp.unlink()
    assert alone(path, "--key", str(key.verifier), isolated=("-I",)).endswith("all is well\n")
    with zipfile.ZipFile(path) as packed:
        assert packed.read("checkpoint.tsr") == b"the answer of an authority"
        assert packed.read("checkpoint.txt").decode() == notes.load(vault.head.tree_size).text
        page = packed.read("README.txt").decode()
    assert "openssl ts -verify -in checkpoint.tsr -data checkpoint.txt -CAfile ROOT.pem" in page


def test_a_signature_is_of_this_text_alone(vault: Vault, notes: SignedCheckpoints, tmp_path: Path) -> None:
    key = new_key(ORIGIN, KeyKind.ED25519)
    sign(vault, notes, [key])
    path = tmp_path / "proof.zip"
    line = notes.load(vault.head.tree_size).signatures[0]
    wrong = str(line)[:-10] + ("AAAA" if str(line)[-10:-6] != "AAAA" else "BBBB") + str(line)[-6:]

    def change(files: Files) -> None:
        for name in files:
            files[name] = files[name].replace(str(line).encode(), wrong.encode())

    path.write_bytes(repacked(proof_of(vault), change))
    assert "WRONG the checkpoint is not signed by" in alone(
        path, "--key", str(key.verifier), code=1, isolated=("-I",)
    )


def test_a_message_that_is_newer_than_the_signature_is_proven_without(
    vault: Vault, notes: SignedCheckpoints
) -> None:
    row = vault.catalog.message_by_prefix(message(vault))
    key = new_key(ORIGIN, KeyKind.ED25519)
    notes.keep(signed(CheckpointBody(ORIGIN, row.sequence, bytes(32)).text, [key]))
    assert newest_state(vault, row.sequence).signers == ()
    assert newest_state(vault, row.sequence - 1).signers == (f"{ORIGIN}+{key.verifier.id.hex()}",)
    notes.path(row.sequence + 1).write_text("broken")
    assert newest_state(vault, row.sequence).signers == ()


def test_a_signed_checkpoint_of_another_ledger_proves_nothing(vault: Vault, notes: SignedCheckpoints) -> None:
    notes.keep(
        signed(
            CheckpointBody(ORIGIN, vault.head.tree_size, bytes(32)).text, [new_key(ORIGIN, KeyKind.ED25519)]
        )
    )
    with pytest.raises(LedgerDamaged, match="not those of the checkpoint"):
        proof_of(vault)


# --- erasure --------------------------------------------------------------------------------------


def leaf_and_path(vault: Vault, sequence: int, of: Checkpoint) -> tuple[bytes, tuple[bytes, ...]]:
    proof = vault.tree.inclusion(sequence, of)
    header = proof.header
    return leaf_entry(header.kind, header.time, header.size, header.sha), proof.path


def test_what_was_proven_before_an_erasure_stays_proven(script: ModuleType, tmp_path: Path) -> None:
    """The tree has what the headers of frames state, and erasure leaves these alone."""
    made = TestVault(tmp_path / "vault")
    kept, doomed = plain(subject="stays"), plain(subject="goes", body="forget me\n")
    both = report(kept, second=doomed, recipients=["bob@example.com"])
    made.archive([both, *(report(plain(subject=f"other {number}")) for number in range(130))])
    made.archive([report(fork(kept, 3), recipients=["eve@example.com"])])
    stays, goes = (made.search(f"subject:{word}")[0].id for word in ("stays", "goes"))
    with closing(open_vault(made.folder, write=True)) as vault:
        old = Checkpoint(vault.head.tree_size, vault.head.root)
        proofs = [leaf_and_path(vault, number, old) for number in range(old.tree_size)]
        files = {prefix: proof_of(vault, prefix) for prefix in (stays, goes)}
    assert old.tree_size > TILE
    erase(made, [goes])
    for fresh in (False, True):
        if fresh:
            (made.folder / "tree.tiles").unlink()
        with closing(open_vault(made.folder, write=True)) as vault:
            now = Checkpoint(vault.head.tree_size, vault.head.root)
            again = [leaf_and_path(vault, number, old) for number in range(old.tree_size)]
            assert sum(one != other for one, other in zip(again, proofs, strict=True)) == 0
            assert vault.tree.consistency(old.tree_size, now).old_root == old.root
            after = proof_of(vault, stays)
            with pytest.raises(Erased, match="was erased on"):
                proof_of(vault, goes)
        assert all(accepted(script, data) for data in (*files.values(), after))
        with zipfile.ZipFile(io.BytesIO(after)) as packed:
            assert b"forget me" not in after
            assert packed.read("copies/2.eml") == made.report(stays, 2)
            assert "copies/1.eml" not in packed.namelist()
            assert "Copies that were erased, since they held another message too: 1" in (
                packed.read("README.txt").decode()
            )


# --- a catalog that names other records -----------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE message SET id = -1 - id WHERE subject = 'the letter'",
        "UPDATE envelope SET segment = segment, offset = (SELECT offset FROM envelope ORDER BY id LIMIT 1)",
        "UPDATE audit SET offset = (SELECT offset FROM audit ORDER BY id LIMIT 1)",
    ],
)
def test_an_edited_catalog_makes_no_wrong_proof(
    folder: Path, script: ModuleType, tmp_path: Path, edit: str
) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "vault", ignore=shutil.ignore_patterns("work")))
    with closing(sqlite3.connect(copied / "catalog.db")) as database, database:
        database.execute(edit)
    with closing(open_vault(copied, write=False)) as opened:
        try:
            data = proof_of(opened, message(opened))
        except (MunimentError, StopIteration):
            return
    assert accepted(script, data)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert packed.read("message.eml") == MAIL


def test_hidden_looks_are_said(folder: Path, script: ModuleType, tmp_path: Path) -> None:
    """Whoever can write the catalog can remove a look from it, but not the ledger's count."""
    copied = Path(shutil.copytree(folder, tmp_path / "vault", ignore=shutil.ignore_patterns("work")))
    with closing(sqlite3.connect(copied / "catalog.db")) as database, database:
        database.execute("DELETE FROM audit WHERE event LIKE '%audrey1%'")
        database.execute("UPDATE audit SET event = replace(event, 'audrey2', 'mallory')")
    client = TestVault(copied)
    (hit,) = client.search("subject:letter")
    *_, done = client.client.stream(api.Prove(id=hit.id, path=str(tmp_path / "proof.zip")))
    assert isinstance(done, api.Done)
    assert len(done.warnings) == 2
    assert all("the catalog's audit trail was changed" in warning for warning in done.warnings)
    data = (tmp_path / "proof.zip").read_bytes()
    assert accepted(script, data)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        page = packed.read("README.txt").decode()
    assert "audrey2, because: case 7" in page
    assert "mallory" not in page
    assert "some may be missing here" in page


# --- the request ----------------------------------------------------------------------------------


def test_the_request_writes_the_file_and_is_recorded(folder: Path, tmp_path: Path) -> None:
    client = TestVault(folder)
    (hit,) = client.search("subject:letter")
    path = tmp_path / "new" / "proof.zip"
    *steps, done = client.client.stream(api.Prove(id=hit.id[:12], path=str(path), reason="case 9"))
    assert isinstance(done, api.Done)
    assert "The proof of message" in done.message
    assert any("proving copies/2.eml" in step.text for step in steps if isinstance(step, api.Step))
    assert alone(path).endswith("all is well\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["proof.zip"]
    with pytest.raises(UsageError, match="exists already"):
        list(client.client.stream(api.Prove(id=hit.id, path=str(path))))
    with pytest.raises(UsageError, match="can't be written"):
        list(client.client.stream(api.Prove(id=hit.id, path="/proc/none/proof.zip")))


def test_a_proof_in_a_checkpoint_that_was_noted(folder: Path, vault: Vault, tmp_path: Path) -> None:
    """Copies and looks after it are left out; a checkpoint that is no state of the ledger is refused."""
    client = TestVault(folder)
    (hit,) = client.search("subject:letter")
    row = vault.catalog.message_by_prefix(hit.id)
    copies = vault.catalog.envelopes_of(row.sequence)
    assert len(copies) == 2
    size = copies[1].sequence
    noted = Checkpoint(
        size, vault.tree.consistency(size, Checkpoint(vault.head.tree_size, vault.head.root)).old_root
    )
    path = tmp_path / "proof.zip"
    list(client.client.stream(api.Prove(id=hit.id, path=str(path), at=str(noted))))
    said = alone(path, "--root", str(noted))
    assert "copies that brought it: 1, recorded looks at it: 0\n" in said
    assert said.endswith("all is well\n")
    with zipfile.ZipFile(path) as packed:
        page = packed.read("README.txt").decode()
    assert "Copies that came after the checkpoint, and are not here: 1" in page
    wrong: dict[str, tuple[type[Exception], str]] = {
        f"{row.sequence}:{'ab' * 32}": (UsageError, "archived after this checkpoint"),
        f"{size}:{'ab' * 32}": (LedgerDamaged, "not those of the checkpoint"),
        f"{10**9}:{'ab' * 32}": (LedgerDamaged, "was cut or set back"),
        "5": (UsageError, "not a checkpoint"),
    }
    for at, (error, words) in wrong.items():
        with pytest.raises(error, match=words):
            list(client.client.stream(api.Prove(id=hit.id, path=str(tmp_path / "none.zip"), at=at)))
    assert [one.name for one in tmp_path.iterdir()] == ["proof.zip"]


def test_the_signatures_of_a_noted_checkpoint_are_in_the_proof(
    vault: Vault, notes: SignedCheckpoints
) -> None:
    row = vault.catalog.message_by_prefix(message(vault))
    key, head = new_key(ORIGIN, KeyKind.ED25519), Checkpoint(vault.head.tree_size, vault.head.root)
    sign(vault, notes, [key])
    assert noted_state(vault, head, row.sequence).signers == (f"{ORIGIN}+{key.verifier.id.hex()}",)
    assert noted_state(vault, Checkpoint(head.tree_size, bytes(32)), row.sequence).signers == ()
    assert noted_state(vault, Checkpoint(head.tree_size - 1, head.root), row.sequence).signers == ()


def test_a_message_that_is_too_large_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TestVault(folder)
    (hit,) = client.search("subject:letter")
    made = PlainZip.__init__

    def small(packed: PlainZip, file: io.BytesIO) -> None:
        made(packed, file)
        packed.left = 100

    monkeypatch.setattr(PlainZip, "__init__", small)
    with pytest.raises(VaultError, match="export the message"):
        list(client.client.stream(api.Prove(id=hit.id, path=str(tmp_path / "proof.zip"))))
    assert list(tmp_path.iterdir()) == []

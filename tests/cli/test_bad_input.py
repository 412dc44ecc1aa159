"""Wrong input and failing surroundings: each gives one sentence and an exit code, and changes nothing."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shlex
import shutil
import sqlite3
import string
import subprocess
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from muniment.archive.ledger.frame import HEADER_SIZE
from muniment.net.retry import RetryPolicy
from support.dovecot import Dovecot, Mailbox, require_dovecot, running
from support.fake_pop3 import FakePop3
from support.keyrings import MemoryKeyring, memory_keyring
from support.program import Program, Said, command, fingerprint, one_sentence
from support.reports import plain, report
from support.soak import in_soak
from support.vaults import TestVault, put

QUIET = ("lock", "work", "catalog.db", "index")
"""What a failed run can change: the catalog notes the run, the index its state. The ledger stays the same."""


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    """One server for all tests of this file."""
    require_dovecot()
    with Dovecot() as server:
        yield server


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a vault with one message and one quarantined item."""
    vault = TestVault(tmp_path_factory.mktemp("bad-input") / "vault")
    put(vault.maildir("box"), [report(plain()), b"X-MS-Journal-Report:\r\n\r\nbroken\r\n"])
    assert vault.run("box").new == 1
    vault.client.close()
    return vault.folder


@pytest.fixture
def vault(made: Path, tmp_path: Path) -> Iterator[TestVault]:
    """A copy of the vault."""
    shutil.copytree(made, tmp_path / "vault")
    copy = TestVault(tmp_path / "vault")
    yield copy
    copy.client.close()


@pytest.fixture
def program(vault: TestVault) -> Program:
    return Program(vault.folder)


def unchanged(program: Program, code: int, *words: str, leave_out: tuple[str, ...] = ("lock", "work")) -> str:
    """Run a command that must fail with this exit code and change no file; returns its one sentence."""
    before = fingerprint(program.folder, leave_out)
    sentence = program.refuses(code, *words)
    assert fingerprint(program.folder, leave_out) == before
    return sentence


# --- mail servers ---------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the wait before a second attempt very short."""
    hasty = partial(RetryPolicy, first_wait=0.01)
    for module in ("remote", "pop3.source"):
        monkeypatch.setattr(f"muniment.sources.{module}.RetryPolicy", hasty)


def add_server(program: Program, server: Any, mailbox: Mailbox, kind: str, **changes: str) -> None:
    """Add a profile "gw" on the command line."""
    secret = program.folder.parent / "secret"
    secret.write_text(mailbox.password + "\n")
    secret.chmod(0o600)
    options = {
        "source": kind,
        "host": "localhost",
        "port": str(server.imaps if kind == "imap" else server.pop3),
        "mailbox": mailbox.name,
        "password-file": str(secret),
        "ca-file": str(server.certificates.authority),
        "timeout": "10",
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    program(
        "profile", "add", "gw", "--journal", *itertools.chain(*((f"--{k}", v) for k, v in options.items()))
    )


def failed_run(program: Program, code: int) -> str:
    """Check that a test and a run of "gw" fail alike and leave only a note; returns the run's sentence."""
    tested = unchanged(program, code, "profile", "test", "gw")
    sentence = unchanged(program, code, "run", "gw", leave_out=QUIET)
    assert sentence == f"gw: {tested}"
    (last,) = [one["last"] for one in program.ask("status")["profiles"] if one["name"] == "gw"]
    assert (last["state"], last["error"]) == ("failed", tested)
    assert program("verify", "--deep").code == 0
    return sentence


@pytest.mark.parametrize("kind", ["gateway", "imap"])
def test_a_wrong_password(program: Program, dovecot: Dovecot, kind: str) -> None:
    mailbox = dovecot.mailbox(password="right-3f9")
    add_server(program, dovecot, mailbox, kind)
    (program.folder.parent / "secret").write_text("wrong-7c1\n")
    sentence = failed_run(program, 8)
    assert "password" in sentence
    assert "wrong-7c1" not in sentence


@pytest.mark.parametrize("kind", ["gateway", "imap"])
def test_an_unknown_host(program: Program, dovecot: Dovecot, kind: str) -> None:
    add_server(program, dovecot, dovecot.mailbox(), kind, host="mail.invalid")
    assert "mail.invalid" in failed_run(program, 7)


def test_a_closed_port(program: Program, dovecot: Dovecot) -> None:
    add_server(program, dovecot, dovecot.mailbox(), "gateway", port="1")
    assert "refuses connections" in failed_run(program, 7)


@pytest.mark.parametrize("kind", ["gateway", "imap"])
def test_an_expired_certificate(program: Program, kind: str) -> None:
    with running(days=-2) as server:
        add_server(program, server, server.mailbox(), kind)
        assert "has expired" in failed_run(program, 9)


def test_a_server_without_stls(program: Program, dovecot: Dovecot) -> None:
    with FakePop3() as server:
        add_server(program, dovecot, dovecot.mailbox(), "gateway", port=str(server.port))
        assert "STLS" in failed_run(program, 9)
        assert set(server.commands) == {"STLS"}


def test_a_mailbox_locked_by_another_session(program: Program, dovecot: Dovecot) -> None:
    locked = b"-ERR [IN-USE] Mailbox is locked by another session\r\n"
    with FakePop3(override=lambda sentence: locked if sentence.startswith("PASS") else None) as server:
        mailbox = dovecot.mailbox()
        add_server(program, dovecot, mailbox, "gateway", port=str(server.port), security="none")
        assert "locked by another session" in failed_run(program, 7)
        assert "LIST" not in server.commands


# --- passwords ------------------------------------------------------------------------------------


def passwords() -> list[str]:
    """Passwords of 32 printable characters, always with quotes and backslashes."""
    rng = random.Random(4711)
    printable = string.digits + string.ascii_letters + string.punctuation + " "
    made = []
    for _ in range(3):
        characters = [*"\"'\\`$# ", *rng.choices(printable, k=25)]
        rng.shuffle(characters)
        made.append("".join(characters))
    return [*made, "\\\"'" * 10 + "\\\\", " lead and trail, 32 characters  "]


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    with memory_keyring() as made:
        yield made


def toml_text(word: str) -> str:
    """A word as a person writes it in TOML."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize(
    ("kind", "password"),
    [
        *(("gateway", one) for one in passwords()[:2]),
        ("imap", passwords()[2]),
        *in_soak(*(("gateway", one) for one in passwords()[2:]), ("imap", passwords()[3])),
    ],
)
def test_any_password_works_from_every_password_source(
    program: Program,
    dovecot: Dovecot,
    ring: MemoryKeyring,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
    password: str,
) -> None:
    assert len(password) == 32
    mailbox = dovecot.mailbox(password=password)
    secret = tmp_path / "the 'secret' file"
    secret.write_text(password + "\n")
    secret.chmod(0o600)
    monkeypatch.setenv("GW_PASSWORD", password)
    ring.set_password("muniment/test", "gw", password)
    ways = {
        "--password-file": str(secret),
        "--password-env": "GW_PASSWORD",
        "--password-command": shlex.join(["printf", "%s\\n", password]),
        "--password-keyring": "muniment/test/gw",
    }
    add_server(program, dovecot, mailbox, kind)
    for number, (option, value) in enumerate(ways.items()):
        program("profile", "edit", "gw", option, value)
        mailbox.put([report(plain(subject=f"{option} {kind} {number}"))])
        (summary,) = program("run", "gw", "--json").lines
        assert (summary["state"], summary["new"]) == ("ok", 1), option
    toml = program.folder / "vault.toml"
    by_hand = f'{{ command = ["printf", "%s", {toml_text(password)}] }}'
    lines = [
        f"password = {by_hand}" if line.startswith("password =") else line
        for line in toml.read_text().splitlines()
    ]
    toml.write_text("\n".join(lines) + "\n")
    assert tomllib.loads(toml.read_text())["profile"]["gw"]["password"]["command"][2] == password
    program("run", "gw")
    program("profile", "edit", "gw", "--password-file", str(secret))
    shown = program("profile", "show", "gw").raw + program("status").raw + program("profile", "list").raw
    assert password.encode() not in shown
    assert password.encode() not in b"".join(
        path.read_bytes() for path in program.folder.rglob("*") if path.is_file()
    )


# --- files that people write ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "place", "part"),
    [
        ("every = 3O0", (4, 10), "every"),
        ("host = gw.example", (4, 8), "double quotes"),
        ('path = "C:\\mail"', (4, 13), "backslash"),
        ("[profile.two", (4, 13), "closed by ]"),
        ('source = "maildir"', (4, 19), "twice"),
        ("just a line", (4, 6), "="),
    ],
)
@pytest.mark.parametrize(
    "words", [["status"], *in_soak(["run", "--all"], ["users", "add", "A", "a@b.example"])], ids=" ".join
)
def test_a_typo_in_vault_toml(
    program: Program, words: list[str], line: str, place: tuple[int, int], part: str
) -> None:
    (program.folder / "vault.toml").write_text(f'version = 1\n[profile.gw]\nsource = "maildir"\n{line}\n')
    sentence = unchanged(program, 3, *words)
    assert "vault.toml, line 4, column" in sentence
    assert f"column {place[1]}" in sentence
    assert part in sentence


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('[profile.gw]\nsource = "gatway"\n', "source must be one of gateway"),
        ('[profile.gw]\nsource = "maildir"\npth = "/x"\n', "did you mean path"),
        ('[profile.gw]\nsource = "maildir"\n', "needs path"),
        (
            '[profile.gw]\nsource = "imap"\nhost = "h"\nmailbox = "m"\npassword = "hunter2"\n',
            "must not be in the file",
        ),
        ('domains = "example.com"\n', "a list of texts"),
        ('[profile.gw]\nsource = "maildir"\npath = "/x"\nevery = "often"\n', "whole number"),
    ],
)
def test_a_wrong_value_in_vault_toml(program: Program, text: str, part: str) -> None:
    (program.folder / "vault.toml").write_text(text)
    sentence = unchanged(program, 3, "run", "--all")
    assert sentence.startswith("vault.toml: ")
    assert part in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"name,address\nBob,bob@example.com\nEve\n", "line 3"),
        (b"name,address\nBob,bob@example.com\nEve,no address\n", "line 3"),
        (b"name,address\nBob,bob@example.com\nEve,bob@example.com\n", "line 3"),
        (b'name,address\n"Bob,bob@example.com\n', "line"),
        (b"Bob,bob@example.com\n", "line 1"),
        (b"name,address\nB\xf6b,bob@example.com\n", "line 2"),
        (b"", "people.csv"),
    ],
)
def test_a_wrong_line_in_a_csv_file(program: Program, tmp_path: Path, content: bytes, part: str) -> None:
    (tmp_path / "people.csv").write_bytes(content)
    sentence = unchanged(program, 3, "users", "import", str(tmp_path / "people.csv"))
    assert part in sentence
    assert "people.csv" in sentence


# --- names that do not exist ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words", "part"),
    [
        (10, ["run", "nosuch"], "muniment profile list"),
        (10, ["profile", "show", "nosuch"], "muniment profile list"),
        (10, ["profile", "edit", "nosuch", "--every", "5"], "muniment profile list"),
        (10, ["profile", "remove", "nosuch"], "muniment profile list"),
        (10, ["profile", "test", "nosuch"], "muniment profile list"),
        (10, ["list", "no@where.example/Inbox"], "no@where.example"),
        (10, ["search", "plan", "--user", "no@where.example"], "no@where.example"),
        (10, ["search", "user:no@where.example"], "no@where.example"),
        (10, ["users", "show", "no@where.example"], "no@where.example"),
        (10, ["users", "remove", "no@where.example"], "no@where.example"),
        (10, ["show", "0123456789abcdef"], "0123456789abcdef"),
        (10, ["show", "0123456789abcdef", "--raw"], "0123456789abcdef"),
        (10, ["show", "abc"], "8"),
        (10, ["show", "not-hex-at-all"], "not-hex-at-all"),
        (10, ["quarantine", "show", "01234567"], "01234567"),
        (10, ["quarantine", "show", "01234567", "--raw"], "01234567"),
        (10, ["quarantine", "retry", "01234567"], "01234567"),
        (2, ["list", "bob@example.com"], "/Inbox"),
        (3, ["users", "add", "Ada", "nonsense"], "nonsense"),
        (3, ["users", "add", "Ada", "a@example.com", "--since", "soon"], "soon"),
        (3, ["users", "import", "/nowhere.csv"], "/nowhere.csv"),
        (3, ["profile", "add", "box", "--source", "maildir", "--path", "/x"], "already"),
        (3, ["profile", "add", "a b", "--source", "maildir", "--path", "/x"], "a b"),
        (3, ["profile", "add", "gw", "--source", "gateway"], "host"),
    ],
)
def test_names_that_do_not_exist(program: Program, code: int, words: list[str], part: str) -> None:
    assert part in unchanged(program, code, *words)


@pytest.mark.parametrize(
    "words", [["status"], ["tree"], ["run", "--all"], ["service"], ["verify"], ["backup", "b"], ["rebuild"]]
)
def test_a_folder_without_a_vault(tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    for folder in ("here", "nowhere"):
        sentence = Program(tmp_path / folder).refuses(4, *words)
        assert "there is no vault" in sentence
        assert "muniment init" in sentence
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def colliding() -> tuple[str, bytes, bytes]:
    """Eight digits, and two messages whose ids both begin with them."""
    base = plain(subject="0", message_id="<x@example.com>", body="")
    seen: dict[str, bytes] = {}
    for number in itertools.count():
        mail = base.replace(b"Subject: 0\r\n", b"Subject: %d\r\n" % number)
        prefix = hashlib.sha256(mail).hexdigest()[:8]
        if prefix in seen:
            return prefix, seen[prefix], mail
        seen[prefix] = mail
    raise AssertionError


def test_an_ambiguous_id(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    prefix, *pair = colliding()
    put(vault.maildir("box"), [report(one) for one in pair])
    assert vault.run("box").new == 2
    program = Program(vault.folder)
    for words in (["show", prefix], ["show", prefix, "--raw"], ["show", prefix, "--report", "1"]):
        sentence = unchanged(program, 10, *words)
        assert prefix in sentence
        assert "more" in sentence
    longer = [hashlib.sha256(one).hexdigest()[:24] for one in pair]
    assert [program("show", one, "--raw").raw for one in longer] == pair
    assert program.ask("search", f"id:{prefix}")["total"] == 2
    vault.client.close()


# --- vaults of a newer program --------------------------------------------------------------------


WORDS = (
    ["status"],
    ["tree"],
    ["search", "plan"],
    ["verify"],
    ["run", "--all"],
    ["users", "add", "A", "a@b.example"],
)


def test_settings_of_a_newer_program(program: Program) -> None:
    toml = program.folder / "vault.toml"
    toml.write_text(toml.read_text().replace("version = 1", "version = 2"))
    for words in (*WORDS, ["rebuild"], ["profile", "list"], ["service"]):
        sentence = unchanged(program, 4, *words)
        assert "newer" in sentence
        assert "install" in sentence


@pytest.mark.parametrize(("place", "value"), [(4, 2), (5, 200), (7, 1)], ids=["version", "kind", "flags"])
def test_a_ledger_of_a_newer_program(program: Program, place: int, value: int) -> None:
    program("users", "add", "Eve", "eve@example.com")
    segment = program.folder / "ledger/000000000001.seg"
    head = bytearray(segment.read_bytes()[: HEADER_SIZE - 4])
    head[place] = value
    with segment.open("ab") as file:
        file.write(head + crc32(head).to_bytes(4, "little") + b"whatever the future writes")
    for words in (["verify"], ["verify", "--deep"], ["run", "box"], ["rebuild"], WORDS[-1]):
        sentence = unchanged(program, 4, *words)
        assert "newer" in sentence
        assert "update Muniment" in sentence


def test_a_catalog_of_a_newer_program(program: Program) -> None:
    with sqlite3.connect(program.folder / "catalog.db") as connection:
        connection.execute("update state set schema = 9999")
    connection.close()
    for words in WORDS:
        sentence = unchanged(program, 4, *words)
        assert "newer" in sentence
    program("rebuild", "--catalog")
    program("verify")


# --- disks and permissions ------------------------------------------------------------------------


def fill(folder: Path) -> None:
    """Fill the file system to its last byte."""
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    vault = TestVault(small_disk / "vault")
    new = tmp_path / "mail/new"
    for name in ("new", "cur", "tmp"):
        (tmp_path / "mail" / name).mkdir(parents=True)
    vault.profile("box", source="maildir", path=str(tmp_path / "mail"), delete=True)
    put(new, [report(plain(subject="kept"))])
    assert vault.run("box").deleted == 1
    vault.client.close()
    put(new, [report(plain(subject=f"No {n}", body="x" * 3000)) for n in range(20)])
    program = Program(vault.folder)
    (tmp_path / "people.csv").write_text("name,address\nBob,bob@example.com\n")
    fill(small_disk)
    for words in (
        ["run", "box"],
        ["users", "add", "Eve", "eve@example.com"],
        ["users", "import", str(tmp_path / "people.csv")],
        ["profile", "add", "two", "--source", "maildir", "--path", "/x"],
        ["rebuild"],
        ["backup", str(small_disk / "backup")],
        ["export", "", "--to", str(small_disk / "out.zip")],
    ):
        sentence = unchanged(program, 4, *words, leave_out=QUIET)
        assert "space" in sentence.lower() or "full" in sentence, sentence
    assert "space" in Program(small_disk / "second").refuses(4, "init").lower()
    assert len(list(new.iterdir())) == 20
    (small_disk / "filler").unlink()
    (summary,) = program("run", "box", "--json").lines
    assert (summary["new"], summary["deleted"]) == (20, 20)
    assert program("verify", "--deep").code == 0


UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--"]
"""Runs a command as root without the right to ignore permissions."""


def spawn_plainly(folder: Path, *words: str) -> Any:
    """Run a command line in a process of its own that must obey file permissions."""
    prefix = UNPRIVILEGED if os.getuid() == 0 else []
    done = subprocess.run([*prefix, *command(folder, *words)], capture_output=True, timeout=60)
    return Said(done.returncode, done.stdout, done.stderr.decode())


def test_a_vault_that_can_not_be_written(program: Program, tmp_path: Path) -> None:
    (hit,) = program.ask("search", "plan")["hits"]
    folders = [program.folder, *(path for path in program.folder.rglob("*") if path.is_dir())]
    files = [path for path in program.folder.rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0o400)
    for path in folders:
        path.chmod(0o500)
    before = fingerprint(program.folder)
    try:
        for words in (
            ["run", "box"],
            ["users", "add", "Eve", "eve@example.com"],
            ["profile", "add", "two", "--source", "maildir", "--path", "/x"],
            ["rebuild"],
            ["service"],
        ):
            sentence = one_sentence(spawn_plainly(program.folder, *words), 4)
            assert "Permission denied" in sentence
        for words in (["tree"], ["quarantine", "list"], ["show", hit["id"], "--raw"], ["search", "plan"]):
            read = spawn_plainly(program.folder, *words)
            assert (read.code, read.err) == (0, ""), words
        assert fingerprint(program.folder) == before
    finally:
        for path in folders:
            path.chmod(0o700)


def test_folders_that_can_not_be_written(program: Program, tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o500)
    for words, code in (
        (["backup", str(shut / "backup")], 4),
        (["export", "", "--to", str(shut / "out.zip")], 2),
        (["export", "", "--to", str(shut / "out")], 2),
    ):
        assert "Permission denied" in one_sentence(spawn_plainly(program.folder, *words), code)
    assert "Permission denied" in one_sentence(spawn_plainly(shut / "vault", "init"), 4)
    assert list(shut.iterdir()) == []


def test_a_vault_of_another_account_can_not_be_read(program: Program) -> None:
    program.folder.chmod(0o000)
    try:
        for words in (["tree"], ["run", "box"], ["status"]):
            assert "ermission" in one_sentence(spawn_plainly(program.folder, *words), 4)
    finally:
        program.folder.chmod(0o700)

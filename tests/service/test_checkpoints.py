"""Signed checkpoints of a service: when they are signed, where they go, and what raises an alarm."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.config.file import load
from muniment.config.model import NotifySection
from muniment.evidence.checkpoint_body import read_body
from muniment.evidence.signed_note import SignedNote, parse_note, verified
from muniment.notify.findings import findings
from muniment.notify.model import ArchiveFacts
from muniment.service.checkpoints.desk import desk_of
from muniment.service.checkpoints.keeper import checkpoint_keeper_of
from muniment.service.checkpoints.targets import SetBack
from muniment.service.checkpoints.witnesses import WitnessClient
from muniment.service.host.session import ClientSession
from muniment.service.operations.evidence.checkpoint_state import checkpoint_facts
from muniment.witness.judge import judge
from muniment.witness.state import WitnessState
from support.asking import answers
from support.checkpoints import DAY, House
from support.program import Program
from support.reports import plain, report
from support.services import muniment, service_of, socket_of, stop_service
from support.vaults import TestVault, put
from support.waiting import eventually
from support.witnesses import RunningWitness, make_witness, serving


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWitness]:
    """A witness in another process. Each vault here has an origin of its own, which it is made to trust."""
    folder = tmp_path_factory.mktemp("witness") / "w"
    with serving(folder, make_witness(folder)) as running:
        yield running


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path / "vault")
    house.archive("First")
    house.configure()
    return house


def by(witness: RunningWitness) -> list[str]:
    keys = json.dumps([str(key) for key in witness.keys])
    return [f'witnesses = ["{witness.url}"]', f"witness_keys = {keys}"]


def test_the_first_checkpoint_makes_a_key_outside_the_vault_and_records_it(house: House) -> None:
    with house.keeping() as (keeper, vault):
        eventually(lambda: house.size())
        assert keeper.problems == keeper.alarms == []
        event = json.loads(vault.catalog.audited(1)[0].event)
        assert vault.head.tree_size == house.size()
    keys = house.keys()
    assert event["event"] == "checkpoint key"
    assert event["keys"] == [str(key) for key in keys]
    note = house.note()
    assert note is not None
    assert list(verified(note, keys)) == keys
    assert read_body(note.text).origin == keys[0].name == event["origin"]
    assert keys[0].name.startswith("example.com/muniment/")
    shown = house.ask(api.GetCheckpoint())
    path = Path(shown.key_file)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.is_relative_to(house.folder)
    secret = path.read_text().split("+")[4][:12]
    assert all(secret not in one.read_text("latin-1") for one in house.folder.rglob("*") if one.is_file())


def test_a_run_with_news_and_each_day_get_a_checkpoint_and_nothing_else_does(house: House) -> None:
    with house.keeping():
        eventually(lambda: house.size())
    first = house.size()
    with house.keeping(pace=300.0) as (keeper, vault):
        vault.log([{"event": "read", "who": "ada", "uid": 7, "role": "auditor", "word": "Show", "at": 1}])
        house.now += 301
        keeper.follow()
    assert house.size() == first  # nothing was archived
    house.archive("Second")
    house.now += 10
    with house.keeping(pace=3600.0) as (keeper, _):
        keeper.follow()
    assert house.size() == first  # it is too early
    house.now += 400
    with house.keeping(pace=300.0):
        eventually(lambda: house.size() > first)
    second = house.size()
    before = house.kept.path(second).read_bytes()
    with house.keeping():
        house.now += DAY
        eventually(lambda: house.kept.path(second).read_bytes() != before)
    assert house.size() == second


def test_a_witness_signs_and_the_folder_gets_what_another_witness_takes(
    house: House, witness: RunningWitness, tmp_path: Path
) -> None:
    public = tmp_path / "public"
    public.mkdir()
    house.configure(*by(witness), f'folder = "{public}"')
    with house.keeping() as (keeper, _):
        eventually(lambda: keeper.problems)
        assert "muniment checkpoint show" in keeper.problems[0]
        house.trusted_by(witness)
        eventually(lambda: not keeper.problems)
        eventually(lambda: b"witness" in (public / "latest.note").read_bytes())
    house.archive("Second")
    house.now += DAY
    with house.keeping():
        eventually(lambda: len(list(public.glob("*.request"))) == 2)
        eventually(lambda: b"witness" in (public / "latest.note").read_bytes())
    latest = parse_note((public / "latest.note").read_bytes())
    assert set(verified(latest, witness.keys)) == set(witness.keys)
    assert (public / f"{house.size()}.note").read_bytes() == str(latest).encode()

    laptop = WitnessState(tmp_path / "laptop")
    laptop.make("auditor.example/laptop")
    laptop.trust(house.keys())
    requests = sorted(public.glob("*.request"), key=lambda path: int(path.name.partition("-")[0]))
    assert [judge(laptop, path.read_bytes()).status for path in requests] == [200, 200]
    asked = house.ask(api.GetCheckpoint(since=house.size()))
    assert judge(laptop, asked.request.encode()).status == 200
    assert house.ask(api.GetCheckpoint()).cosigners == ("witness.example.org/w1",)


@pytest.fixture
def earlier(house: House, tmp_path: Path) -> Path:
    """A copy of the vault of before the last mail, as somebody could put back."""
    with house.keeping():
        eventually(lambda: house.size())
    copy = tmp_path / "earlier"
    shutil.copytree(house.folder, copy)
    return copy


def put_back(house: House, copy: Path) -> None:
    settings = (house.folder / "vault.toml").read_text()
    shutil.rmtree(house.folder)
    shutil.copytree(copy, house.folder)
    (house.folder / "vault.toml").write_text(settings)


def test_a_vault_that_was_set_back_is_noticed_by_its_witness(
    house: House, earlier: Path, witness: RunningWitness
) -> None:
    house.configure(*by(witness))
    house.trusted_by(witness)
    house.archive("Second")
    house.now += DAY
    with house.keeping() as (keeper, _):
        eventually(lambda: b"witness" in house.kept.path(house.size()).read_bytes())
    known = house.size()
    put_back(house, earlier)  # with its folder `signed`, so that nothing in the vault knows more
    house.now += DAY
    with house.keeping() as (keeper, vault):
        eventually(lambda: keeper.alarms)
        assert f"has signed {known} records" in keeper.alarms[0]
        assert "set back" in keeper.alarms[0]
        (health,) = answers(ClientSession(house.folder, vault), api.GetHealth())
        assert isinstance(health, api.Health)
        assert health.verdict == "critical"
        assert any(one.key == "checkpoint-refused" for one in health.problems)
        note, again = house.note(), WitnessClient(witness.url, witness.keys)
        assert note is not None
        for _ in range(2):
            with pytest.raises(SetBack, match=f"has signed {known} records"):
                desk_of(vault, load(house.folder / "vault.toml")).cosigned(note, again)

    # and when it has grown again, so that only the history differs
    house.archive("Other", "mail", "follows")
    house.now += DAY
    with house.keeping() as (keeper, _):
        eventually(lambda: keeper.alarms and "refuses this ledger" in keeper.alarms[0])
    assert WitnessState(witness.folder).refused(house.keys()[0].name)


@pytest.mark.parametrize("place", ["signed", "folder"])
def test_a_place_that_knows_more_raises_an_alarm_and_nothing_is_signed(
    house: House, earlier: Path, place: str, tmp_path: Path
) -> None:
    public = tmp_path / "public"
    public.mkdir()
    house.configure(f'folder = "{public}"')
    house.archive("Second")
    house.now += DAY
    with house.keeping():
        eventually(lambda: (public / "latest.note").exists())
    later = tmp_path / "signed"
    shutil.copytree(house.folder / "signed", later)
    put_back(house, earlier)
    if place == "signed":
        shutil.rmtree(house.folder / "signed")
        shutil.copytree(later, house.folder / "signed")
    before = {path.name: path.read_bytes() for path in (house.folder / "signed").glob("*.note")}
    house.now += DAY
    with house.keeping() as (keeper, _):
        eventually(lambda: keeper.alarms)
        assert "cut or set back" in keeper.alarms[0]
    if place == "signed":
        after = {path.name: path.read_bytes() for path in (house.folder / "signed").glob("*.note")}
        assert after == before
    house.archive("Other", "mail", "follows")
    house.now += DAY
    with house.keeping() as (keeper, _):
        eventually(lambda: keeper.alarms and "rewritten" in keeper.alarms[0])


def test_what_does_not_work_is_a_problem_that_ends(house: House, tmp_path: Path) -> None:
    house.configure(f'folder = "{tmp_path / "none"}"')
    with house.keeping() as (keeper, _):
        eventually(lambda: keeper.problems)
        assert str(tmp_path / "none") in keeper.problems[0]
        assert keeper.lasts
        (tmp_path / "none").mkdir()
        eventually(lambda: not keeper.problems)
        assert keeper.lasts is False
    levels = [level for _, level in house.lines]
    assert levels.count("error") == 1


def test_a_place_that_takes_nothing_for_days_is_a_finding_also_after_restarts(
    house: House, tmp_path: Path
) -> None:
    public = tmp_path / "public"
    public.mkdir()
    house.configure(f'folder = "{public}"')
    named = f"the folder {public}"
    with house.keeping() as (keeper, _):
        eventually(lambda: (public / "latest.note").exists())
        eventually(lambda: not keeper.problems)
    first = house.now // DAY * DAY
    house.now += DAY
    with house.keeping() as (keeper, _):
        eventually(lambda: keeper.reached[named] == first + DAY)  # no record is new on that day
        assert keeper.reached[""] == house.now
    shutil.rmtree(public)
    for days in range(3):
        house.now += DAY
        with house.keeping() as (keeper, _):
            eventually(lambda keeper=keeper: keeper.problems)  # type: ignore[misc]
            eventually(lambda keeper=keeper: keeper.reached[""] == house.now)  # type: ignore[misc]
            assert keeper.reached[named] == first + DAY
            facts = checkpoint_facts(house.folder, load(house.folder / "vault.toml"))
            archive = ArchiveFacts(now=house.now, checkpoints=facts)
            found = [one for one in findings(archive, NotifySection()) if one.kind == "checkpoint-late"]
            assert {one.subject: one.trouble for one in found} == {"": False, named: days == 2}


def test_a_lost_key_is_named_and_an_administrator_begins_a_new_one(house: House) -> None:
    with house.keeping():
        eventually(lambda: house.size())
    old, first = house.keys(), house.size()
    lost = Path(house.ask(api.GetCheckpoint()).key_file)
    lost.unlink()
    house.now += DAY
    with house.keeping() as (keeper, _):
        eventually(lambda: keeper.problems)
        assert "muniment checkpoint new-key" in keeper.problems[0]
    assert house.size() == first

    made = house.ask(api.NewCheckpointKey(reason="the disk broke"))
    assert made.origin == f"{old[0].name}/2"
    assert house.keys()[: len(old)] == old
    assert (house.folder / "signed" / "former-1" / f"{first}.note").exists()
    with house.keeping() as (keeper, _):
        eventually(lambda: house.size() > first)
    note = house.note()
    assert note is not None
    assert read_body(note.text).origin == made.origin
    former = (house.folder / "signed" / "former-1" / f"{first}.note").read_text()
    assert house.ask(api.VerifyCheckpoint(note=former)).ok


def test_another_key_in_the_file_signs_nothing(house: House) -> None:
    with house.keeping():
        eventually(lambda: house.size())
    path, first = Path(house.ask(api.GetCheckpoint()).key_file), house.size()
    from muniment.evidence.note_keys import KeyKind, new_key

    path.write_text(new_key(house.keys()[0].name, KeyKind.ED25519).secret_line() + "\n")
    house.now += DAY
    before = house.kept.path(first).read_bytes()
    with house.keeping() as (keeper, _):
        eventually(lambda: keeper.problems)
        assert "is not the one" in keeper.problems[0]
        assert "PRIVATE" not in keeper.problems[0]
    assert house.kept.path(first).read_bytes() == before


def test_a_vault_without_its_list_of_keys_goes_on_with_its_key(house: House) -> None:
    with house.keeping():
        eventually(lambda: house.size())
    before, first = house.keys(), house.size()
    (house.folder / "signed" / "keys").unlink()
    house.archive("Second")
    with house.keeping() as (keeper, _):
        eventually(lambda: house.size() > first)
        assert keeper.problems == []
    assert house.keys() == before


def test_a_restored_backup_goes_on_with_the_same_key(house: House, tmp_path: Path) -> None:
    with house.keeping():
        eventually(lambda: house.size())
    house.archive("Second")
    first = house.size()
    later = house.kept.path(first + 1000)
    later.write_bytes(house.kept.path(first).read_bytes())  # signed after the backup has begun
    backup = tmp_path / "backup"
    Program(house.folder)("backup", str(backup))
    later.unlink()
    assert sorted(path.name for path in (backup / "signed").iterdir()) == [f"{first}.note", "keys"]

    copy = House(backup)
    Program(backup)("rebuild")
    with copy.keeping() as (keeper, _):
        eventually(lambda: copy.size() > first)
        assert keeper.alarms == keeper.problems == []
    assert copy.keys() == house.keys()


def test_under_systemd_the_key_is_in_the_folder_of_the_unit(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "lib"))
    with house.keeping():
        eventually(lambda: house.size())
    shown = Path(house.ask(api.GetCheckpoint()).key_file)
    assert shown.is_relative_to(tmp_path / "lib")
    assert shown.exists()


def test_git_gets_a_commit_that_is_pushed(house: House, tmp_path: Path) -> None:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], check=True, capture_output=True, text=True, cwd=tmp_path)
        return done.stdout

    git("init", "--quiet", "--bare", "bare")
    git("clone", "--quiet", "bare", "tree")
    hook = tmp_path / "tree" / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    house.configure(f'git = "{tmp_path / "tree"}"')
    with house.keeping() as (keeper, _):
        eventually(lambda: house.size())
        eventually(lambda: git("-C", "bare", "log", "--all", "--oneline"))
        assert keeper.problems == []
    with house.keeping() as (keeper, _):
        keeper.follow()
    assert f"Checkpoint of {house.size()} records" in git("-C", "bare", "log", "--all", "--format=%s")
    assert len(git("-C", "bare", "log", "--all", "--format=%s").splitlines()) == 1
    assert not (tmp_path / "ran").exists()


def test_services_of_notifications_get_one_a_day(house: House, tmp_path: Path) -> None:
    script = tmp_path / "page"
    script.write_text(f"#!/bin/sh\ncat >> {tmp_path}/got\n")
    script.chmod(0o755)
    house.configure("notify = true", "", "[notify.command]", f'run = ["{script}"]')

    def got() -> list[Any]:
        path = tmp_path / "got"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    with house.keeping():
        eventually(lambda: len(got()) == 1)
    house.archive("Second")
    with house.keeping():
        eventually(lambda: house.size() > read_body(_note_in(got()[0]).text).size)
    assert len(got()) == 1
    with house.keeping():
        house.now += DAY
        eventually(lambda: len(got()) == 2)
    for message in got():
        assert house.ask(api.VerifyCheckpoint(note=str(_note_in(message)))).ok


def _note_in(message: dict[str, Any]) -> SignedNote:
    """The note in a notification, as a person copies it out."""
    return parse_note(message["text"].split("\n\n", 1)[1].encode())


def test_a_new_vault_of_the_command_line_signs_and_others_do_not(tmp_path: Path) -> None:
    Program(tmp_path / "new")("init", "--domain", "example.com")
    assert load(tmp_path / "new" / "vault.toml").checkpoints.sign
    TestVault(tmp_path / "other").client.close()
    assert not load(tmp_path / "other" / "vault.toml").checkpoints.sign


def test_without_the_setting_nothing_is_signed(house: House) -> None:
    path = house.folder / "vault.toml"
    path.write_text(path.read_text().replace("sign = true", "sign = false"))
    with house.keeping() as (keeper, _):
        assert checkpoint_keeper_of(house.folder) is keeper
        keeper.follow()
    assert checkpoint_keeper_of(house.folder) is None
    assert not (house.folder / "signed").exists()


class TestVerify:
    """VerifyCheckpoint, against notes that were changed and ledgers that were."""

    @pytest.fixture
    def note(self, house: House) -> str:
        with house.keeping():
            eventually(lambda: house.size())
        return str(house.note())

    def test_a_note_holds_while_the_ledger_grows(self, house: House, note: str) -> None:
        assert house.ask(api.VerifyCheckpoint(note=note)).state == "unchanged"
        house.archive("Second")
        verdict = house.ask(api.VerifyCheckpoint(note=note, keys=tuple(map(str, house.keys()[:1]))))
        assert (verdict.ok, "grown" in verdict.text) == (True, True)
        assert [one.kind for one in verdict.signers] == ["archive"]

    def test_a_forged_note_is_named(self, house: House, note: str) -> None:
        size = house.size()
        for forged in (
            note.replace(f"\n{size}\n", f"\n{size - 1}\n"),
            note.replace("example.com", "example.org"),
        ):
            verdict = house.ask(api.VerifyCheckpoint(note=forged))
            assert (verdict.ok, verdict.state) == (False, "forged")

    def test_a_ledger_that_was_set_back_or_rewritten_is_named(
        self, house: House, note: str, tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(house.folder, copy)
        house.archive("Second")
        house.now += DAY
        with house.keeping():
            eventually(lambda: house.size() > read_body(parse_note(note.encode()).text).size)
        later = str(house.note())
        put_back(house, copy)
        assert house.ask(api.VerifyCheckpoint(note=later)).state == "cut"
        house.archive("Other", "mail", "follows")
        assert house.ask(api.VerifyCheckpoint(note=later)).state == "rewritten"
        assert house.ask(api.VerifyCheckpoint(note=note)).ok


def test_end_to_end_with_a_service_and_a_witness_as_processes(house: House, witness: RunningWitness) -> None:
    """The signature of the witness arrives; then the vault is put back, and `status` shows the alarm."""

    def stopped() -> None:
        stop_service(socket_of(house.folder))

    try:
        house.configure(*by(witness))
        box = house.folder.parent / "box"
        for part in ("new", "cur", "tmp"):
            (box / part).mkdir(parents=True)
        added = muniment(house.folder, "profile", "add", "box", "--source", "maildir", "--path", str(box))
        assert added.code == 0, added.err
        eventually(lambda: house.size())
        house.trusted_by(witness)
        published = muniment(house.folder, "checkpoint", "publish")
        assert published.code == 0, published.out + published.err
        stopped()
        copy = house.folder.parent / "copy"
        shutil.copytree(house.folder, copy)

        put(box / "new", [report(plain(subject="Late"))])
        assert muniment(house.folder, "run", "box").code == 0
        assert muniment(house.folder, "checkpoint", "publish").code == 0
        shown = muniment(house.folder, "checkpoint", "show", "--json").json
        assert shown["cosigners"] == ["witness.example.org/w1"]
        stopped()

        put_back(house, copy)
        refused = muniment(house.folder, "checkpoint", "publish")
        assert refused.code == 1
        assert "set back" in refused.out
        assert service_of(house.folder)
    finally:
        stopped()

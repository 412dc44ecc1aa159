"""A profile that was saved without a test runs only by hand, until a test, a run or a person releases it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.config.file import load
from muniment.config.model import Profile
from muniment.errors import MunimentError
from muniment.runs.schedule import RunSchedule, ScheduledTask
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from muniment.service.host.untested_profiles import WAY, UntestedProfiles, marked
from muniment.service.host.untested_profiles import release as released
from support.reports import plain, report
from support.vaults import TestVault, put


def box(tmp_path: Path, name: str = "box") -> dict[str, Any]:
    """The fields of a maildir profile with a message in it."""
    for part in ("new", "cur", "tmp"):
        (tmp_path / name / part).mkdir(parents=True, exist_ok=True)
    put(tmp_path / name / "new", [report(plain(subject=f"In {name}"))])
    return {"source": "maildir", "path": str(tmp_path / name)}


def save(vault: TestVault, new: bool = True, **fields: Any) -> api.Done:
    return vault.client.call(api.PutProfile(name="box", fields=fields, new=new), api.Done)


def check(vault: TestVault, **fields: Any) -> str:
    """Test the profile; returns the text of the last step."""
    *_, step, done = vault.client.stream(api.TestProfile(name="box", **fields))
    assert isinstance(step, api.Step)
    assert isinstance(done, api.Done)
    assert done.message == "Profile box works."
    return step.text


def profiles(vault: TestVault) -> tuple[Profile, ...]:
    return load(vault.folder / "vault.toml").profiles


def scheduled(vault: TestVault) -> bool:
    """Whether the schedule of a service would run it now."""
    ran: list[str] = []

    def tasks() -> list[ScheduledTask]:
        return [
            ScheduledTask(one.name, one.every, partial(ran.append, one.name), one.scheduled)
            for one in profiles(vault)
        ]

    RunSchedule(tasks).step()
    return bool(ran)


def is_tested(vault: TestVault) -> bool:
    """Whether the profile counts as tested, according to all replies about profiles."""
    (listed,) = vault.client.call(api.ListProfiles(), api.Profiles).profiles
    shown = vault.client.call(api.ShowProfile(name="box"), api.ProfileWord)
    (status,) = vault.status().profiles
    runs = next(vault.client.stream(api.WatchRuns()))
    assert isinstance(runs, api.RunsState)
    states = {listed.tested, shown.tested, status.tested, runs.profiles[0].tested}
    assert len(states) == 1
    assert "untested" not in listed.fields | shown.fields
    return states.pop()


def test_a_new_profile_does_not_run_on_schedule(vault: TestVault, tmp_path: Path) -> None:
    message = save(vault, **box(tmp_path), delete=True).message
    assert "runs only by hand until a test or a run of it succeeds" in message
    assert (scheduled(vault), is_tested(vault)) == (False, False)


def passes_a_test(vault: TestVault) -> None:
    assert check(vault) == "the service runs it from now on, every 300 s"


def runs_well(vault: TestVault) -> None:
    assert vault.run("box").state == "ok"


def is_enabled(vault: TestVault) -> None:
    save(vault, new=False, enabled=True)


def is_given_its_default(vault: TestVault) -> None:
    save(vault, new=False, enabled=None)


@pytest.mark.parametrize("event", [passes_a_test, runs_well, is_enabled, is_given_its_default])
def test_a_profile_runs_after_a_test_or_a_run_or_when_a_person_enables_it(
    vault: TestVault, tmp_path: Path, event: Callable[[TestVault], None]
) -> None:
    save(vault, **box(tmp_path))
    event(vault)
    assert (scheduled(vault), is_tested(vault)) == (True, True)
    assert "untested" not in (vault.folder / "vault.toml").read_text()


def test_a_person_can_enable_a_profile_when_saving_it(vault: TestVault, tmp_path: Path) -> None:
    save(vault, **box(tmp_path), enabled=True)
    assert scheduled(vault)


def test_a_failed_test_does_not_release_a_profile(vault: TestVault, tmp_path: Path) -> None:
    save(vault, source="maildir", path=str(tmp_path / "nowhere"))
    with pytest.raises(MunimentError):
        check(vault)
    assert vault.run("box").state == "failed"
    assert not scheduled(vault)


def test_a_test_before_saving_counts_only_for_the_tested_fields(vault: TestVault, tmp_path: Path) -> None:
    fields = box(tmp_path)
    assert not checked(vault, fields).tested
    check(vault, fields=fields | {"delete": True})
    assert checked(vault, fields | {"delete": True}).tested
    assert checked(vault, fields | {"delete": False, "every": 60}).tested, "works with deletion, so without"
    assert not checked(vault, fields | {"path": str(tmp_path / "other")}).tested
    save(vault, **fields, delete=True)
    assert scheduled(vault)


def checked(vault: TestVault, fields: dict[str, Any]) -> api.Problems:
    return vault.client.call(api.CheckProfile(name="box", fields=fields, new=True), api.Problems)


def test_a_disabled_profile_stays_disabled_after_a_test(vault: TestVault, tmp_path: Path) -> None:
    save(vault, **box(tmp_path), enabled=False)
    assert check(vault).endswith("it runs by hand only, until a person lets the service run it")
    assert is_tested(vault)
    assert not scheduled(vault)


CHANGES = {
    "source": "eml", "host": "b.example", "port": 1995, "mailbox": "other", "mailboxes": ("a@b.example",),
    "access": "impersonation", "password": {"env": "OTHER"}, "auth": "device", "directory": "other.example",
    "client_id": "other", "certificate": "other.pem", "authority": "https://login.example",
    "security": "none",
    "fingerprint": "ab" * 32, "ca_file": "/other.pem", "path": "/other", "folder": "Other",
    "folders": ("Other",), "exclude": ("Other",), "delete": True,
}  # fmt: skip
HARMLESS = {"every": 60, "timeout": 10, "plain": "catch-all", "unknown": "leave", "tenant": "t@b.example"}


def test_every_field_that_decides_which_mailbox_is_reached_is_covered() -> None:
    assert set(WAY) <= set(CHANGES)


@pytest.mark.parametrize(("field", "value"), [*CHANGES.items(), *HARMLESS.items()])
def test_another_way_to_the_mailbox_makes_a_profile_untested_again(field: str, value: Any) -> None:
    before = Profile.of("box", "imap", host="a.example", mailbox="m", delete=False)
    fields = marked(before, {field: value}, "box")
    assert fields.get("untested", False) == (field in CHANGES)
    assert "untested" not in marked(before, {field: value, "enabled": True}, "box")


def test_turning_deletion_off_needs_no_test(vault: TestVault, tmp_path: Path) -> None:
    save(vault, **box(tmp_path), delete=True, enabled=True)
    save(vault, new=False, delete=False)
    assert scheduled(vault)
    save(vault, new=False, delete=True)
    assert not scheduled(vault)


def test_a_typed_password_is_part_of_what_was_tested() -> None:
    drafts = UntestedProfiles()
    profile = Profile.of("box", "gateway", host="a.example", mailbox="m")
    drafts.passed(profile, "right")
    assert drafts.tested(profile, "right")
    assert not drafts.tested(profile, "wrong")
    assert not drafts.tested(profile, "")
    for number in range(1000):
        drafts.passed(profile, str(number))
    assert len(drafts._ways) <= 100


def test_a_client_can_not_set_the_mark(vault: TestVault, tmp_path: Path) -> None:
    save(vault, **box(tmp_path), enabled=True, untested=True)
    assert scheduled(vault)
    save(vault, new=False, untested=True)
    assert scheduled(vault)


def test_a_profile_written_by_hand_runs_without_a_test(vault: TestVault, tmp_path: Path) -> None:
    path = box(tmp_path)["path"]
    toml = vault.folder / "vault.toml"
    toml.write_text(f"{toml.read_text()}\n[profile.box]\nsource = 'maildir'\npath = '{path}'\n")
    assert (scheduled(vault), is_tested(vault)) == (True, True)


def test_a_test_of_a_former_mailbox_does_not_release_a_profile(vault: TestVault, tmp_path: Path) -> None:
    save(vault, **box(tmp_path))
    (before,) = profiles(vault)
    save(vault, new=False, path=box(tmp_path, "other")["path"])
    assert not released(vault.folder / "vault.toml", before)
    assert not scheduled(vault)


def test_the_vaults_own_spool_needs_no_test(vault: TestVault) -> None:
    save(vault, source="spool")
    assert scheduled(vault)


def test_a_service_announces_that_a_profile_is_released_by_a_run(vault: TestVault, tmp_path: Path) -> None:
    save(vault, **box(tmp_path))
    with (
        closing(open_vault(vault.folder, write=True)) as opened,
        closing(RunHost(ClientSession(vault.folder, opened), in_service=True)) as host,
    ):
        host.run("box")[0].result()
        texts = [line.text for line in host.lines.newest()]
    assert "box: the run succeeded, so the service runs it from now on" in texts
    assert scheduled(vault)


def test_renaming_keeps_a_profile_untested(vault: TestVault, tmp_path: Path) -> None:
    save(vault, **box(tmp_path))
    vault.client.call(api.RenameProfile(name="box", to="other"), api.Done)
    (profile,) = profiles(vault)
    assert (profile.name, profile.untested) == ("other", True)

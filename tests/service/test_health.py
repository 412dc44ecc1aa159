"""GetHealth, from a real vault."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.config.model import JournalingSection
from muniment.errors import UsageError, VaultError
from muniment.health.growth import SizeSample
from muniment.health.sizes import NAME, SizeMemory
from muniment.people.changes import add_user
from muniment.service.access.roles import Caller
from muniment.service.host.client_register import BREAK, ClientRegister
from muniment.service.host.session import ClientSession
from muniment.service.operations import report_problems as report_problems_module
from muniment.service.operations.report_problems import MINUTES, report_problems
from support.asking import answers
from support.reports import plain, report
from support.rewriting import cut, heads
from support.served import served
from support.vaults import TestVault, put

DAY = 86400
BOB = Caller(61_000, 61_000, 1, "bob")
AUDITOR = Caller(61_001, 61_000, 1, "audrey")


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    return TestVault(tmp_path / "vault")


def health(vault: TestVault, zone: str = "") -> api.Health:
    return vault.client.call(api.GetHealth(zone=zone), api.Health)


def found(state: api.Health) -> set[str]:
    return {problem.key for problem in state.problems}


def test_an_empty_vault_is_well_and_its_set_up_is_open(vault: TestVault) -> None:
    state = health(vault)
    assert (state.verdict, state.summary, state.problems) == ("ok", "The archive is well.", ())
    assert (state.messages, state.last_report, state.quarantined, state.behind) == (0, 0, 0, 0)
    assert (len(state.days.starts), len(state.hours.starts)) == (30, 24)
    assert sum(state.days.reports) == sum(state.days.others) == 0
    assert state.setup_steps > 0
    assert state.setup_done < state.setup_steps
    assert (state.verified, state.backup) == (None, None)
    assert state.disk
    assert state.disk.total > state.disk.free > 0
    assert (state.disk.a_day, state.disk.days_left) == (None, None)
    assert state.signed_in == ()


def test_arrivals_are_counted_by_day_and_hour_of_the_zone(vault: TestVault) -> None:
    now = int(time.time())
    times = [now, now - 3600, now - 2 * DAY, now - 40 * DAY]
    vault.archive([report(plain(subject=str(n)), date=time) for n, time in enumerate(times)])
    vault.archive([plain(subject="no report")], journal=False, owner="bob@example.com")
    for zone in ("", "Asia/Kathmandu", "America/New_York"):
        state = health(vault, zone)
        assert sum(state.days.reports) == 3
        assert sum(state.hours.reports) == 2
        assert state.hours.reports[-1] + state.hours.reports[-2] == 2
        assert state.days.reports[-1] + state.days.reports[-2] + state.days.reports[-3] == 3
    assert state.last_report == now
    assert state.messages == 5
    assert state.bytes_raw > 0
    with pytest.raises(UsageError, match="no time zone"):
        health(vault, "Nowhere/Land")


def test_arrivals_are_the_same_after_a_rebuild(vault: TestVault) -> None:
    vault.archive([report(plain(subject=str(n)), date=int(time.time()) - n * 1000) for n in range(5)])
    before = health(vault)
    vault.rebuild()
    after = health(vault)
    assert (after.days.reports, after.last_report) == (before.days.reports, before.last_report)
    vault.sound()


def test_profiles_have_their_state_last_run_and_what_waits(vault: TestVault, tmp_path: Path) -> None:
    put(vault.maildir("box"), [report(plain())])
    vault.profile("gone", source="maildir", path=str(tmp_path / "gone"))
    vault.profile("hand", source="maildir", path=str(tmp_path / "hand"), enabled=False)
    vault.profile("import", source="mbox", path=str(tmp_path / "old.mbox"), enabled=False)
    for name in ("box", "gone"):
        vault.run(name)
    state = health(vault)
    box, gone, hand, _ = state.profiles
    assert box.last
    assert (box.last["new"], box.waiting) == (1, 0)
    assert gone.last
    assert (gone.last["state"], gone.waiting) == ("failed", None)
    assert (hand.last, hand.enabled) == (None, False)
    assert {"run-failed:gone", "stopped:hand"} <= found(state)
    assert "stopped:import" not in found(state), "an import is meant to run by hand"
    failed = next(one for one in state.problems if one.key == "run-failed:gone")
    assert (failed.severity, failed.area, failed.row) == ("warning", "runs", "gone")
    assert state.verdict == "warning"


def test_silent_users_are_named_with_their_last_report(vault: TestVault) -> None:
    now = int(time.time())
    writer = open_vault(vault.folder, write=True)
    writer.change_directory(
        lambda directory: [
            add_user("ada", "Ada", "ada@example.com"), add_user("old", "Old", "old@example.com")
        ],
        now - 50 * DAY,
    )  # fmt: skip
    writer.change_directory(lambda directory: [add_user("new", "New", "new@example.com")], now)
    writer.close()
    vault.archive([
        report(plain(subject="a"), recipients=["ada@example.com"], date=now),
        report(plain(subject="o"), recipients=["old@example.com"], date=now - 40 * DAY),
    ])  # fmt: skip
    state = health(vault)
    assert [(one.user, one.name, one.last) for one in state.silent] == [
        ("old@example.com", "Old", now - 40 * DAY)
    ]
    assert (state.silent_total, state.silent_days, state.users) == (1, 14, 3)
    (problem,) = (one for one in state.problems if one.key == "silent-users")
    assert (problem.area, problem.row) == ("people", "old@example.com")


def test_problems_of_reports_are_found_once_until_the_time_or_the_settings_change(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.archive([report(plain())])
    searches: list[int] = []

    def counted(vault: Vault, now: int) -> list[str]:
        searches.append(now)
        time.sleep(0.05)
        return []

    monkeypatch.setattr(report_problems_module, "_flagged", counted)
    settings = ClientSession(vault.folder).settings()
    other = msgspec.structs.replace(settings, journaling=JournalingSection(quiet_days=3))
    now = int(time.time()) // MINUTES * MINUTES + 1_000 * MINUTES
    with closing(open_vault(vault.folder, write=False)) as opened:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: report_problems(opened, settings, now), range(8)))
        assert searches == [now]
        report_problems(opened, settings, now + MINUTES - 1)
        assert searches == [now]
        report_problems(opened, settings, now + MINUTES)
        report_problems(opened, other, now + MINUTES)
        assert searches == [now, now + MINUTES, now + MINUTES]


def test_the_last_verification_and_backup_are_remembered(vault: TestVault, tmp_path: Path) -> None:
    vault.archive([report(plain())])
    vault.verify(deep=False)
    list(vault.client.stream(api.Backup(path=str(tmp_path / "backup"))))
    state = health(vault)
    assert state.verified
    assert (state.verified.ok, state.verified.deep) == (True, False)
    assert state.backup
    assert (state.backup.ok, state.backup.path) == (True, str(tmp_path / "backup"))
    assert {"verify", "backup"}.isdisjoint(found(state))
    *_, wrong = vault.client.stream(api.Verify(was=("1:" + "0" * 64,)))
    assert isinstance(wrong, api.Verified)
    assert not wrong.ok
    with pytest.raises(VaultError):
        list(vault.client.stream(api.Backup(path="/proc/nowhere")))
    state = health(vault)
    assert {"verify", "backup"} <= found(state)
    assert state.verdict == "critical"


def test_items_in_quarantine_are_a_problem_with_their_place(vault: TestVault) -> None:
    vault.archive([b"X-MS-Journal-Report:\r\n\r\nbroken\r\n"])
    state = health(vault)
    assert state.quarantined == 1
    (problem,) = (one for one in state.problems if one.key == "quarantine")
    assert (problem.area, problem.row) == ("runs", "quarantine")


def test_the_disk_has_a_forecast_from_measured_sizes(vault: TestVault) -> None:
    free = health(vault).disk
    assert free
    now = int(time.time())
    sizes = tuple(SizeSample(now - day * DAY, (10 - day) * (free.free // 20)) for day in (4, 3, 2, 1, 0))
    (vault.folder / NAME).write_bytes(msgspec.json.encode(SizeMemory(samples=sizes)))
    state = health(vault)
    assert state.disk
    assert state.disk.a_day == free.free // 20
    assert state.disk.days_left in (19, 20)
    assert "disk-fills" in found(state)


def test_a_cut_ledger_is_critical_and_the_rest_is_still_answered(vault: TestVault) -> None:
    vault.archive([report(plain(subject=str(n))) for n in range(3)])
    put(vault.maildir("more"), [report(plain(subject="last"))])
    vault.run("more")
    ledger = vault.folder / "ledger"
    cut(ledger, heads(ledger)[-2])
    state = health(vault)
    assert state.verdict == "critical"
    assert any(key.startswith("broken") for key in found(state))
    assert state.disk
    vault.folder.joinpath("catalog.db").write_bytes(b"no catalog")
    state = health(vault)
    assert state.verdict == "critical"
    assert "catalog" in state.summary


def test_a_plain_user_gets_only_counts_of_their_own_mail(vault: TestVault) -> None:
    vault.archive([
        report(plain(subject="b"), recipients=["bob@example.com"]),
        report(plain(subject="c"), recipients=["carol@example.com"]),
        b"X-MS-Journal-Report:\r\n\r\nbroken\r\n",
    ])  # fmt: skip
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('[access]\nauditors = ["audrey"]\n[access.users]\nbob = "bob@example.com"\n')
    with ClientSession(vault.folder).writing():
        pass
    (own,) = answers(ClientSession(vault.folder, None, BOB), api.GetHealth())
    assert isinstance(own, api.Health)
    empty = api.Health(time=own.time, verdict="", summary=own.summary, messages=1, behind=own.behind)
    assert own == empty
    assert own.summary == "Your folders hold 1 message; no more was checked."
    (seen,) = answers(ClientSession(vault.folder, None, AUDITOR), api.GetHealth())
    assert isinstance(seen, api.Health)
    assert (seen.messages, seen.quarantined, seen.setup_steps) == (2, 1, 0)


def test_who_is_signed_in_is_known_to_a_service(vault: TestVault) -> None:
    vault.client.close()
    with served(vault.folder) as (client, _):
        (one,) = client.call(api.GetHealth(), api.Health).signed_in
        assert (one.login, one.role) == (Caller.this_process().name, "administrator")
        assert abs(one.since - time.time()) < 60
        assert one.clients >= 1


def test_users_come_and_leave_after_a_break() -> None:
    now = [100.0]
    register = ClientRegister(lambda: now[0])
    for uid in (1, 2, 1):
        register.came(uid)
        now[0] += 1
    register.left(1)
    register.left(1)
    assert [(one.uid, one.since, one.clients) for one in register.present()] == [(1, 100, 0), (2, 101, 1)]
    now[0] += BREAK + 1
    assert [one.uid for one in register.present()] == [2]
    register.came(1)
    assert [(one.uid, one.since) for one in register.present()] == [(2, 101), (1, now[0])]

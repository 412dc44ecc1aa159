"""The host of runs, with real vaults and maildirs: one run at a time, cancelling, watching, history."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.config.file import load
from muniment.errors import NotFound, VaultError, VaultLocked
from muniment.service.host.run_host import RunHost, RunObserver
from muniment.service.host.session import ClientSession
from muniment.service.operations import runs
from muniment.service.operations.history import get_history
from muniment.service.operations.users import add_user
from support.asking import leave
from support.engine_double import HOSTILE, assert_harmless
from support.reports import letters, plain
from support.vaults import TestVault, put
from support.waiting import eventually

PATIENCE = 60.0


class Diary(RunObserver):
    """An observer that writes down its events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def started(self, profile: str) -> None:
        self.events.append(("started", profile))

    def ended(self, summary: api.RunSummary) -> None:
        self.events.append((summary.state, summary.profile))
        raise RuntimeError("an observer that fails")


@pytest.fixture
def host(vault: TestVault) -> Iterator[RunHost]:
    """The host of a service for the vault."""
    with (
        closing(open_vault(vault.folder, write=True)) as opened,
        closing(RunHost(ClientSession(vault.folder, opened), in_service=True)) as made,
    ):
        yield made


@pytest.fixture
def session(host: RunHost) -> ClientSession:
    """The session of a caller of that service."""
    return ClientSession(host._session.folder, host._session._shared, host=host)


def cancelled(session: ClientSession, profile: str = "") -> str:
    """The answer to a request to stop runs."""
    done = runs.cancel_run(session, api.CancelRun(profile=profile)).reply
    assert isinstance(done, api.Done)
    return done.message


def test_the_first_run_of_a_service_uses_the_last_valid_settings(vault: TestVault) -> None:
    """vault.toml becomes wrong just after the start of the service."""
    put(vault.maildir("box"), [plain()])
    toml = vault.folder / "vault.toml"
    right = load(toml)
    toml.write_text(toml.read_text() + "\n[profile.late\n")
    with (
        closing(open_vault(vault.folder, write=True)) as opened,
        closing(RunHost(ClientSession(vault.folder, opened), lambda: right, in_service=True)) as host,
    ):
        summary = host.run("box")[0].result()
    assert (summary.state, summary.new) == ("ok", 1)


def big(vault: TestVault, count: int = 1000) -> Path:
    """A profile whose run takes some time."""
    new = vault.maildir("big", delete=True)
    put(new, letters(*range(count)))
    return new


def under_way(host: RunHost) -> None:
    """Wait until the run has stored something."""
    eventually(lambda: any(p.running and p.running.stored for p in host.state().profiles))


def test_a_run_goes_on_when_its_watcher_leaves(
    vault: TestVault, host: RunHost, session: ClientSession
) -> None:
    new = big(vault)
    replies = runs.run(session, api.Run(profile="big"))
    assert isinstance(next(replies), api.ProgressWord)
    leave(replies)
    eventually(lambda: not host.busy)
    assert list(new.iterdir()) == []
    (record,) = runs_of(session)
    assert (record.summary["state"], record.summary["new"], record.summary["deleted"]) == ("ok", 1000, 1000)
    assert record.summary["started"] <= record.time


def runs_of(session: ClientSession, **asked: object) -> tuple[api.RunRecord, ...]:
    return get_history(session, api.GetHistory(**asked)).runs  # type: ignore[arg-type]


def test_a_second_request_for_a_run_watches_the_first_run(
    vault: TestVault, host: RunHost, session: ClientSession
) -> None:
    big(vault)
    first = runs.run(session, api.Run(profile="big"))
    next(first)
    again = runs.run(session, api.Run(profile="big"))
    *_, summary = again
    *_, same = first
    assert summary == same
    assert len(runs_of(session)) == 1


def test_cancelling_stops_after_the_messages_in_hand(
    vault: TestVault, host: RunHost, session: ClientSession
) -> None:
    new = big(vault, 3000)
    replies = runs.run(session, api.Run(profile="big"))
    next(replies)
    under_way(host)
    done = cancelled(session, "big")
    assert done == "Stopping big after the messages in hand."
    *_, summary = replies
    assert isinstance(summary, api.RunSummary)
    assert (summary.state, summary.balanced) == ("cancelled", True)
    assert 0 < summary.new < 3000
    assert summary.deleted == 3000 - len(list(new.iterdir()))
    *_, rest = runs.run(session, api.Run(profile="big"))
    assert isinstance(rest, api.RunSummary)
    assert (rest.state, list(new.iterdir())) == ("ok", [])
    assert [run.summary["state"] for run in runs_of(session)] == ["ok", "cancelled"]
    assert [run.summary["state"] for run in runs_of(session, state="cancelled")] == ["cancelled"]


def test_a_waiting_run_is_cancelled_at_once_and_can_be_requested_again(
    vault: TestVault, host: RunHost, session: ClientSession
) -> None:
    big(vault)
    put(vault.maildir("small"), letters(9000))
    all_of_them = runs.run_all(session, api.RunAll())
    next(all_of_them)
    under_way(host)
    waiting = {p.name: p.running.stage for p in host.state().profiles if p.running}
    assert waiting["small"] == "waiting"
    runs.cancel_run(session, api.CancelRun(profile="small"))
    *_, summary = runs.run(session, api.Run(profile="small"))
    ended = [reply for reply in all_of_them if isinstance(reply, api.RunSummary)]
    assert [(one.profile, one.state) for one in ended] == [("big", "ok"), ("small", "cancelled")]
    assert isinstance(summary, api.RunSummary)
    assert (summary.state, summary.new) == ("ok", 1)


def test_cancelling_without_a_run_says_so(vault: TestVault, session: ClientSession) -> None:
    vault.maildir("box")
    assert "not running" in cancelled(session, "box")
    assert "Nothing is running" in cancelled(session)
    with pytest.raises(NotFound):
        runs.cancel_run(session, api.CancelRun(profile="nobody"))
    with pytest.raises(NotFound):
        runs.run(session, api.Run(profile="nobody"))


def test_observers_are_called_and_their_exceptions_are_ignored(
    vault: TestVault, host: RunHost, session: ClientSession
) -> None:
    diary = Diary()
    host.observe(diary)
    put(vault.maildir("box"), letters(1))
    *_, summary = runs.run(session, api.Run(profile="box"))
    assert isinstance(summary, api.RunSummary)
    assert diary.events == [("started", "box"), ("ok", "box")]
    begun, ended = [line.text for line in host.lines.newest()]
    assert begun == "box: 1 listed, 0 of them archived before"
    assert ended.startswith("box: ok, listed 1, new 1")
    *_, _ = runs.run(session, api.Run(profile="box"))
    assert len(host.lines.newest()) == 2  # nothing was new, which is worth no line


def test_a_watcher_gets_the_state_at_once_and_after_changes_but_not_too_often(
    vault: TestVault, host: RunHost, session: ClientSession
) -> None:
    big(vault, 3000)
    states: list[tuple[float, api.RunsState]] = []

    def watch() -> None:
        for state in runs.watch_runs(session, api.WatchRuns()):
            assert isinstance(state, api.RunsState)
            states.append((time.monotonic(), state))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    eventually(lambda: states)
    assert states[0][1].profiles[0].running is None
    *_, _ = runs.run(session, api.Run(profile="big"))
    eventually(lambda: states[-1][1].profiles[0].last)
    assert any(s.profiles[0].running and s.profiles[0].running.stored for _, s in states)
    assert min(b - a for (a, _), (b, _) in pairwise(states)) > 0.4
    last = states[-1][1].profiles[0]
    assert last.last is not None
    assert (last.running, last.last["new"]) == (None, 3000)
    host.close()
    watcher.join(PATIENCE)
    assert not watcher.is_alive()


def test_a_slow_reader_gets_the_newest_state(vault: TestVault, host: RunHost, session: ClientSession) -> None:
    put(vault.maildir("box"), letters(1))
    replies = runs.watch_runs(session, api.WatchRuns())
    next(replies)
    *_, _ = runs.run(session, api.Run(profile="box"))
    for number in range(500):
        host.announce(f"line {number} {HOSTILE}")
    state = next(replies)
    assert isinstance(state, api.RunsState)
    assert len(state.log) == 200
    assert state.log[-1].text.startswith("line 499")
    assert [line.number for line in state.log] == list(
        range(state.log[-1].number - 199, state.log[-1].number + 1)
    )
    for line in state.log:
        assert_harmless(line.text)
        assert "\n" not in line.text


def test_the_schedule_runs_profiles_and_shows_the_next_start(vault: TestVault, host: RunHost) -> None:
    put(vault.maildir("box", every=3600), letters(1))
    vault.maildir("off", enabled=False)
    settings = ClientSession(vault.folder).settings
    host.schedule(lambda: [profile for profile in settings().profiles if profile.enabled])
    eventually(lambda: host.state().profiles[0].last)
    box, off = host.state().profiles
    assert abs(box.next_start - time.time() - 3600) < 60
    assert (off.next_start, off.last) == (0, None)


def test_runs_that_fail_early_are_in_the_history_with_a_count(
    vault: TestVault, host: RunHost, session: ClientSession, tmp_path: Path
) -> None:
    put(vault.maildir("box"), letters(1))
    vault.profile("gone", source="maildir", path=str(tmp_path / "gone"))
    for name in ("box", "gone", "gone", "box"):
        *_, _ = runs.run(session, api.Run(profile=name))
    found = runs_of(session)
    assert [run.summary["profile"] for run in found] == ["box", "gone", "box"]
    gone = found[1]
    assert (gone.sequence, gone.count, gone.summary["state"]) == (0, 2, "failed")
    assert gone.since <= gone.time
    assert "is not a Maildir" in gone.summary["error"]
    assert [run.summary["profile"] for run in runs_of(session, state="failed")] == ["gone"]
    assert [run.summary["profile"] for run in runs_of(session, eventful=True)] == ["gone", "box"]
    assert [run.summary["profile"] for run in runs_of(session, profile="box")] == ["box", "box"]


def test_history_is_paged_without_gaps(
    vault: TestVault, host: RunHost, session: ClientSession, tmp_path: Path
) -> None:
    vault.maildir("box")
    vault.profile("gone", source="maildir", path=str(tmp_path / "gone"))
    for name in ("box", "box", "gone", "box", "box", "box"):
        *_, _ = runs.run(session, api.Run(profile=name))
    pages, after = [], 0
    while True:
        page = get_history(session, api.GetHistory(limit=2, after=after))
        pages.append(page.runs)
        after = page.after
        if not after:
            break
    flat = [run for page in pages for run in page]
    assert flat == list(runs_of(session))
    assert [run.summary["profile"] for run in flat] == ["box", "box", "box", "gone", "box", "box"]


def test_users_can_be_changed_during_a_run(vault: TestVault, host: RunHost, session: ClientSession) -> None:
    big(vault)
    replies = runs.run(session, api.Run(profile="big"))
    next(replies)
    under_way(host)
    for number in range(20):
        add_user(session, api.AddUser(name=f"Person {number}", addresses=(f"p{number}@example.com",)))
    *_, summary = replies
    assert isinstance(summary, api.RunSummary)
    assert (summary.state, summary.new) == ("ok", 1000)
    host.close()
    opened = host._session._shared
    assert opened is not None
    opened.close()
    vault.sound()
    assert vault.status().messages == 1000
    vault.rebuild()
    assert vault.status().messages == 1000
    assert "p19@example.com" in vault.client.call(api.ShowUser(user="p19@example.com"), api.UserWord).user


def test_a_retry_of_quarantine_waits_for_its_turn(
    vault: TestVault, host: RunHost, session: ClientSession
) -> None:
    broken = b"From: x@example.com\r\nX-MS-Journal-Report:\r\nContent-Type: text/plain\r\n\r\nno report\r\n"
    put(vault.maildir("box"), [broken])
    *_, summary = runs.run(session, api.Run(profile="box"))
    assert isinstance(summary, api.RunSummary)
    assert summary.quarantined == 1
    step, done = runs.retry_quarantine(session, api.RetryQuarantine())
    assert isinstance(step, api.Step)
    assert isinstance(done, api.Done)
    assert not step.ok
    assert done.message == "0 of 1 quarantined items archived."
    assert host.state().quarantined == 1
    with pytest.raises(NotFound):
        list(runs.retry_quarantine(session, api.RetryQuarantine(ids=("0" * 64,))))


def test_a_closed_host_cancels_its_jobs_and_refuses_new_ones(
    vault: TestVault, host: RunHost, session: ClientSession
) -> None:
    big(vault, 3000)
    replies = runs.run(session, api.Run(profile="big"))
    next(replies)
    under_way(host)
    host.close()
    *_, summary = replies
    assert isinstance(summary, api.RunSummary)
    assert summary.state == "cancelled"
    with pytest.raises(VaultError, match="stopping"):
        next(runs.run(session, api.Run(profile="big")))


# --- without a service ----------------------------------------------------------------------------


def test_without_a_service_a_run_ends_with_its_watcher(vault: TestVault) -> None:
    new = big(vault, 3000)
    replies = vault.client.stream(api.Run(profile="big"))
    assert isinstance(next(replies), api.ProgressWord)
    leave(replies)
    assert vault.status().owner == ""
    assert len(list(new.iterdir())) > 0
    assert vault.run("big").state == "ok"
    vault.sound()


def test_without_a_service_runs_can_be_watched_and_cancelled(vault: TestVault) -> None:
    big(vault, 3000)
    replies = vault.client.stream(api.Run(profile="big"))
    next(replies)
    states = vault.client.stream(api.WatchRuns())

    def stored() -> bool:
        state = next(states)
        assert isinstance(state, api.RunsState)
        return bool(state.profiles[0].running and state.profiles[0].running.stored)

    eventually(stored)
    vault.client.call(api.CancelRun(profile="big"), api.Done)
    *_, summary = replies
    assert isinstance(summary, api.RunSummary)
    assert summary.state == "cancelled"
    history = vault.client.call(api.GetHistory(), api.History)
    assert [run.summary["state"] for run in history.runs] == ["cancelled"]


def test_a_run_in_a_vault_that_another_process_holds_is_refused(vault: TestVault) -> None:
    vault.maildir("box")
    with closing(open_vault(vault.folder, write=True)), pytest.raises(VaultLocked):
        vault.run("box")
    assert vault.run("box").state == "ok"

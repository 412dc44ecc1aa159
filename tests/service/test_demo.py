"""The demo: all mail is archived, and any loss is noticed."""

from contextlib import closing
from pathlib import Path

import pytest

from muniment.api import Done, GetStatus, Hits, RunSummary, Status, Step, Tree, Verified
from muniment.client.client import Client
from muniment.errors import RunFailed
from muniment.service.demo import demo
from muniment.service.demo.samples import COMPANY, truth
from muniment.service.dispatch.engine import connect

COUNT = 150


def test_the_demo_finds_what_it_sent(tmp_path: Path) -> None:
    replies = list(demo.run_demo(tmp_path / "vault", COUNT))
    (run,) = (reply for reply in replies if isinstance(reply, RunSummary))
    assert (run.state, run.balanced, run.fetched, run.new) == ("ok", True, COUNT, truth(COUNT).messages)
    assert len([reply for reply in replies if isinstance(reply, Hits)]) == 3
    assert [type(reply) for reply in replies][-1] is Done
    assert {Step, Tree, Verified} < {type(reply) for reply in replies}
    with closing(Client(connect(tmp_path / "vault"))) as client:
        status = client.call(GetStatus(), Status)
    assert (status.name, status.demo) == (COMPANY, True)
    assert "\ndemo = true\n" in (tmp_path / "vault" / "vault.toml").read_text(encoding="utf-8")
    assert not list((tmp_path / "vault" / "spool").rglob("*.eml"))


def test_the_demo_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = truth(COUNT)
    expected.users["mira.tannhofer@nordlicht.example"].inbox += 1
    monkeypatch.setattr(demo, "truth", lambda count: expected)
    with pytest.raises(
        RunFailed, match=r"mira\.tannhofer@nordlicht\.example/Inbox: \d+ expected, \d+ found\.$"
    ):
        list(demo.run_demo(tmp_path / "vault", COUNT))


def test_a_failed_run_fails_the_demo() -> None:
    found = demo._Found()
    differences = found.differences(truth(COUNT))
    assert f"fetched: {COUNT} expected, 0 found" in differences
    assert any("messages proven" in difference for difference in differences)

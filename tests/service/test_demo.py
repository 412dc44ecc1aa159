"""The demo: all goes the whole way, and whatever is lost on it is noticed."""

import pytest

from muniment.api import Done, Hits, RunSummary, Step, Tree, Verified
from muniment.errors import RunFailed
from muniment.service.demo import demo
from muniment.service.demo.samples import truth

COUNT = 150


def test_what_is_sent_is_found(tmp_path):
    words = list(demo.run_demo(tmp_path / "vault", COUNT))
    (run,) = (word for word in words if isinstance(word, RunSummary))
    assert (run.state, run.balanced, run.fetched, run.new) == ("ok", True, COUNT, truth(COUNT).messages)
    assert len([word for word in words if isinstance(word, Hits)]) == 3
    assert [type(word) for word in words][-1] is Done
    assert {Step, Tree, Verified} < {type(word) for word in words}
    assert not list((tmp_path / "vault" / "spool").rglob("*.eml"))


def test_what_is_not_found_is_named(tmp_path, monkeypatch):
    told = truth(COUNT)
    told.users["mira.tannhofer@nordlicht.example"].inbox += 1
    monkeypatch.setattr(demo, "truth", lambda count: told)
    with pytest.raises(
        RunFailed, match=r"mira\.tannhofer@nordlicht\.example/Inbox: \d+ expected, \d+ found\.$"
    ):
        list(demo.run_demo(tmp_path / "vault", COUNT))


def test_a_run_that_failed_is_no_success():
    found = demo._Found()
    differences = found.differences(truth(COUNT))
    assert f"fetched: {COUNT} expected, 0 found" in differences
    assert any("messages proven" in difference for difference in differences)

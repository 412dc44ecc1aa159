"""Time stamps of a service's checkpoints: one a day, checked, renewed before a certificate ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import api
from muniment.errors import MunimentError
from muniment.evidence.checkpoint_body import CheckpointBody
from muniment.evidence.note_keys import KeyKind, new_key
from muniment.evidence.signed_note import signed
from muniment.service.checkpoints.stamping import SOON, StampTarget, judge_stamp
from muniment.service.checkpoints.targets import Publication
from support.checkpoints import DAY, House
from support.program import Program
from support.stamp_authority import StampAuthority
from support.waiting import eventually

KEY = new_key("example.com/log", KeyKind.ED25519)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[StampAuthority]:
    with StampAuthority(tmp_path / "tsa").serving() as running:
        yield running


def what(size: int) -> Publication:
    def never(old: int) -> None:
        raise AssertionError(old)

    note = signed(CheckpointBody(KEY.name, size, bytes(32)).text, [KEY])
    return Publication(note, [KEY.verifier], never)  # type: ignore[arg-type]


def target(authority: StampAuthority, folder: Path) -> StampTarget:
    folder.mkdir(exist_ok=True)
    return StampTarget(authority.url, authority.root, folder)


def test_the_first_checkpoint_of_a_day_is_stamped_and_published(
    tmp_path: Path, authority: StampAuthority
) -> None:
    house = House(tmp_path / "vault", now=time.time())
    house.archive("First")
    public = tmp_path / "public"
    public.mkdir()
    house.configure(
        f'authority = "{authority.url}"', f'authority_root = "{authority.root}"', f'folder = "{public}"'
    )
    with house.keeping() as (keeper, _):
        eventually(lambda: list(public.glob("*.tsr")))
        keeper.follow()
        assert keeper.problems == []
    assert authority.asked == 1
    size = house.size()
    note = house.note()
    assert note is not None
    stamp = (public / f"{size}.tsr").read_bytes()
    assert authority.accepts(note.text.encode(), stamp)  # as a stranger checks it
    verdict = house.ask(api.VerifyCheckpoint(note=str(note)))
    assert verdict.ok
    assert verdict.stamped_by == "CN=Test TSA"
    assert abs(verdict.stamped - time.time()) < 600
    assert house.ask(api.VerifyCheckpoint(note=str(note), stamp=stamp)).ok
    wrong = house.ask(api.VerifyCheckpoint(note=str(note), stamp=stamp[:-9] + b"x" * 9))
    assert (wrong.ok, bool(wrong.stamp_problem)) == (False, True)
    shown = Program(house.folder)("checkpoint", "verify", str(public / "latest.note"))
    assert "stamped by CN=Test TSA" in shown.out

    house.archive("Second")  # on the same day
    with house.keeping() as (keeper, _):
        eventually(lambda: house.size() > size)
        keeper.follow()
    assert authority.asked == 1


def test_an_authority_that_lies_or_fails_is_a_problem_that_ends(
    tmp_path: Path, authority: StampAuthority
) -> None:
    house = House(tmp_path / "vault", now=time.time())
    house.archive("First")
    other = StampAuthority(tmp_path / "other")
    house.configure(f'authority = "{authority.url}"', f'authority_root = "{other.root}"')
    with house.keeping() as (keeper, _):
        eventually(lambda: keeper.problems)
        assert "does not hold" in keeper.problems[0]
        assert not list((house.folder / "signed").glob("*.tsr"))
        authority.broken = b"<html>"
        house.configure(f'authority = "{authority.url}"', f'authority_root = "{authority.root}"')
        eventually(lambda: "no time stamp" in "".join(keeper.problems))
        authority.broken = b""
        eventually(lambda: list((house.folder / "signed").glob("*.tsr")))
        eventually(lambda: not keeper.problems)


def test_stamps_are_renewed_before_the_certificate_ends(tmp_path: Path, authority: StampAuthority) -> None:
    folder = tmp_path / "signed"
    authority.certify("Old TSA", 30)
    stamping = target(authority, folder)
    with pytest.raises(MunimentError, match="name another authority"):
        stamping.publish(what(5))  # the stamp is kept, and can't be renewed by the same certificate
    assert (folder / "5.tsr").exists()
    assert not list(folder.glob("renewal-*"))

    authority.certify("New TSA", 3650)
    stamping.publish(what(6))
    (text,) = folder.glob("renewal-*.sha256")
    stamp = text.with_name(f"{text.name}.tsr").read_bytes()
    assert [line.split("  ")[1] for line in text.read_text().splitlines()] == ["5.tsr"]
    assert authority.accepts(text.read_bytes(), stamp)
    asked = authority.asked
    stamping.publish(what(6))
    assert authority.asked == asked  # nothing is due any more

    roots, later = authority.root.read_bytes(), time.time() + 60 * DAY
    body = what(5).note.text.encode()
    old = (folder / "5.tsr").read_bytes()
    assert judge_stamp(folder, old, body, roots, now=later).problem == ""
    assert judge_stamp(folder, old, body, roots, now=later).renewed
    text.unlink()
    assert "has ended" in judge_stamp(folder, old, body, roots, now=later).problem
    assert judge_stamp(folder, old, body, roots).problem == ""  # today it holds by itself
    assert SOON > 30 * DAY


def test_a_renewal_that_was_changed_proves_nothing(tmp_path: Path, authority: StampAuthority) -> None:
    folder = tmp_path / "signed"
    authority.certify("Old TSA", 30)
    stamping = target(authority, folder)
    with pytest.raises(MunimentError):
        stamping.publish(what(5))
    authority.certify("New TSA", 3650)
    stamping.publish(what(5))
    (text,) = folder.glob("renewal-*.sha256")
    text.write_bytes(text.read_bytes() + b"0" * 64 + b"  7.tsr\n")
    body, old = what(5).note.text.encode(), (folder / "5.tsr").read_bytes()
    later = time.time() + 60 * DAY
    assert judge_stamp(folder, old, body, authority.root.read_bytes(), now=later).problem

"""Erasure by the engine's requests: who may, what stays, and what is said afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment import api
from muniment.errors import Erased, NotFound, UsageError
from muniment.service.access.roles import Caller
from muniment.service.host.session import ClientSession
from support.asking import answers
from support.erased import left_of
from support.reports import plain, report
from support.vaults import TestVault

SECRET = plain(subject="Secret", body="The zyxwvut giants turn their sails at midnight.\n")
OTHER = plain(subject="Other", to=["carl@example.com"], body="Soup and salad are served at noon.\n")
OTHER_REPORT = report(OTHER, recipients=["carl@example.com"])


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    made = TestVault(tmp_path / "vault")
    made.archive([report(SECRET), OTHER_REPORT], journal=True)
    return made


def id_of(vault: TestVault, subject: str) -> str:
    (found,) = [hit.id for hit in vault.messages() if hit.subject == subject]
    return found


def erase(vault: TestVault, *ids: str, basis: str = "Art. 17") -> api.Erasure:
    *_, done = vault.client.stream(api.Erase(ids=ids, basis=basis))
    assert isinstance(done, api.Erasure)
    return done


def test_what_an_erasure_would_take_is_said_before(vault: TestVault) -> None:
    found = vault.client.call(
        api.CheckErasure(ids=(id_of(vault, "Secret"), id_of(vault, "Secret")[:9])), api.ErasurePreview
    )
    assert (found.messages, found.copies, found.bytes) == (1, 1, len(report(SECRET)))
    assert found.oldest == found.newest > 0
    assert len(vault.messages()) == 2


def test_an_erased_message_is_nowhere_and_says_when_and_why_it_went(vault: TestVault) -> None:
    id_ = id_of(vault, "Secret")
    done = erase(vault, id_[:12], basis=" Art. 17\x1b[2J ")
    assert (done.messages, done.erased, done.refused) == (1, 2, ())
    assert left_of(vault.folder, [SECRET, report(SECRET)], [OTHER, OTHER_REPORT]) == {}
    for ask in (vault.show, vault.raw, vault.report):
        with pytest.raises(Erased, match=r"erased on \d{4}-\d\d-\d\d, on this basis: Art. 17"):
            ask(id_)
    with pytest.raises(Erased):
        erase(vault, id_)
    assert [hit.subject for hit in vault.messages()] == ["Other"]
    assert vault.search(f"id:{id_}") == []
    assert vault.status().messages == 1
    vault.sound()


def test_a_list_is_erased_without_what_is_unknown_or_was_erased_before(vault: TestVault) -> None:
    gone, other = id_of(vault, "Secret"), id_of(vault, "Other")
    erase(vault, gone)
    ids = (gone, "12345678", "no id", other, other[:10])
    with pytest.raises(NotFound):
        vault.client.call(api.CheckErasure(ids=ids[1:]), api.ErasurePreview)
    found = vault.client.call(api.CheckErasure(ids=ids, pass_over=True), api.ErasurePreview)
    assert found.messages == 1
    assert [(one.id, one.erased) for one in found.passed] == [
        (gone, True), ("12345678", False), ("no id", False),
    ]  # fmt: skip
    assert "was erased on" in found.passed[0].reason
    *_, done = vault.client.stream(api.Erase(ids=ids, basis="again", pass_over=True))
    assert isinstance(done, api.Erasure)
    assert (done.messages, done.passed) == (1, found.passed)
    assert vault.messages() == []
    *_, nothing = vault.client.stream(api.Erase(ids=ids, basis="again", pass_over=True))
    assert isinstance(nothing, api.Erasure)
    assert (nothing.messages, nothing.records, len(nothing.passed)) == (0, (), 5)


def test_the_audit_trail_says_who_erased_what_and_nothing_of_its_content(vault: TestVault) -> None:
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('\n[access]\nauditors = ["nobody"]\n')
    id_ = id_of(vault, "Secret")
    erase(vault, id_)
    events = vault.client.call(api.GetAudit(), api.Audit).events
    (event,) = [one for one in events if one.word == "Erase"]
    assert (event.event, event.detail["items"]) == ("started", [id_])
    assert "Secret" not in repr(events)


def test_the_certificate_names_the_decision_its_records_and_the_backups(
    vault: TestVault, tmp_path: Path
) -> None:
    for name in ("old", "new"):
        list(vault.client.stream(api.Backup(path=str(tmp_path / name))))
    id_ = id_of(vault, "Secret")
    (record,) = erase(vault, id_).records
    list(vault.client.stream(api.Backup(path=str(tmp_path / "new"))))
    made = vault.client.call(api.GetErasureCertificate(name=str(record)), api.ErasureCertificate)
    assert vault.client.call(api.GetErasureCertificate(name=id_[:10]), api.ErasureCertificate) == made
    value = made.value
    assert (value["record"], value["basis"], value["messages"]) == (record, "Art. 17", [id_])
    assert [one["kind"] for one in value["records"]] == ["message", "envelope"]
    assert [one["size"] for one in value["records"]] == [len(SECRET), len(report(SECRET))]
    assert {one["path"]: one["erased"] for one in value["backups"]} == {
        str(tmp_path / "old"): False, str(tmp_path / "new"): True,
    }  # fmt: skip
    assert f"{tmp_path / 'old'} of" in made.text
    assert "STILL THERE" in made.text
    checkpoints = (value["before"], value["after"])
    *_, verified = vault.client.stream(api.Verify(was=checkpoints))
    assert isinstance(verified, api.Verified)
    assert (verified.ok, [one.state for one in verified.was]) == (True, ["unchanged"] * 2)
    assert made.note == ""


def test_there_is_no_certificate_of_what_was_not_erased(vault: TestVault) -> None:
    for name in ("0", "3", "999999", id_of(vault, "Other"), "abcdef0123", "no"):
        with pytest.raises(NotFound):
            vault.client.call(api.GetErasureCertificate(name=name), api.ErasureCertificate)


def test_held_mail_stays(vault: TestVault) -> None:
    vault.client.call(
        api.PlaceHold(name="Fall 7", reason="lawsuit", mail=api.MailCriteria(people=("carl@example.com",))),
        api.HoldWord,
    )
    ids = (id_of(vault, "Secret"), id_of(vault, "Other"))
    found = vault.client.call(api.CheckErasure(ids=ids), api.ErasurePreview)
    assert (found.messages, [one.id for one in found.refused]) == (1, [ids[1]])
    done = erase(vault, *ids)
    assert (done.messages, done.refused) == (1, found.refused)
    assert "Fall 7" in done.refused[0].reason
    assert [hit.subject for hit in vault.messages()] == ["Other"]
    vault.sound()


def test_a_basis_and_messages_are_needed(vault: TestVault) -> None:
    for request in (
        api.Erase(ids=(id_of(vault, "Secret"),), basis=" \n "),
        api.Erase(ids=(id_of(vault, "Secret"),), basis="x" * 1001),
        api.Erase(ids=(), basis="Art. 17"),
    ):
        with pytest.raises(UsageError):
            list(vault.client.stream(request))
    with pytest.raises(NotFound):
        list(vault.client.stream(api.Erase(ids=("abcdef01",), basis="Art. 17")))
    assert len(vault.messages()) == 2


def test_closing_the_stream_stops_before_the_next_batch_and_the_next_job_finishes(vault: TestVault) -> None:
    words = vault.client.stream(api.Erase(ids=(id_of(vault, "Secret"),), basis="Art. 17"))
    assert isinstance(next(words), api.Step)
    words.close()  # type: ignore[attr-defined]
    vault.run(vault.client.call(api.ListProfiles(), api.Profiles).profiles[0].name)
    assert not (vault.folder / "erasing").exists()
    subjects = {hit.subject for hit in vault.messages()}
    assert subjects in ({"Other"}, {"Other", "Secret"})
    if subjects == {"Other"}:
        assert left_of(vault.folder, [SECRET, report(SECRET)], [OTHER, OTHER_REPORT]) == {}
    vault.sound()


def test_two_administrators_erase_together(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.archive([report(SECRET), OTHER_REPORT], journal=True)
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('\n[access]\nadministrators = ["ada", "bert"]\n[approvals]\nneed = ["erase"]\n')
    ada, bert = (
        ClientSession(vault.folder, None, Caller(uid, uid, 1, name))
        for uid, name in ((61_001, "ada"), (61_002, "bert"))
    )
    id_ = id_of(vault, "Secret")
    (asked,) = answers(ada, api.Erase(ids=(id_,), basis="Art. 17"))
    assert isinstance(asked, api.Erasure)
    assert asked.approval
    assert "another administrator" in asked.message
    assert len(vault.messages()) == 2
    (done,) = answers(bert, api.AnswerApproval(id=asked.approval, answer="approve"))
    assert isinstance(done, api.Decided)
    assert "1 message erased" in done.message
    assert [hit.subject for hit in vault.messages()] == ["Other"]
    made = vault.client.call(api.GetErasureCertificate(name=id_), api.ErasureCertificate)
    assert (made.value["who"], made.value["request"]) == ("ada", asked.approval)
    assert f"by request {asked.approval}" in made.text
    assert left_of(vault.folder, [SECRET, report(SECRET)], [OTHER, OTHER_REPORT]) == {}
    vault.sound()

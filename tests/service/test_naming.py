"""A person, folder or profile that does not exist is an error with a suggestion, never an empty list."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.operations.check_names import suggestion
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError
from muniment.service.access.roles import Caller
from muniment.service.host.session import ClientSession
from support.asking import answers
from support.reports import line, plain, report
from support.vaults import TestVault

BOB, NEWCOMER, OWNER = 54_321, 54_322, os.geteuid()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with mail of Anna and Carol; Bob and a newcomer without mail may read their own."""
    made = TestVault(tmp_path_factory.mktemp("naming") / "vault")
    letters = [
        plain(sender="anna@example.com", to=[f"{name}@example.com"], subject=f"to {name}")
        for name in ("bob", "carol")
    ]
    made.archive(
        [report(letter, recipients=[line("To", f"{name}@example.com")])
         for letter, name in zip(letters, ("bob", "carol"), strict=True)]
    )  # fmt: skip
    made.archive([letters[1]], journal=False, owner="carol@example.com")
    made.client.close()
    with (made.folder / "vault.toml").open("a") as file:
        file.write('\n[access.users]\nbob = "bob@example.com"\nnewcomer = "new@example.com"\n')
    return made.folder


class House:
    """The vault, and the callers."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self.folder = folder
        self.vault = vault

    def send(self, request: Request, uid: int = OWNER, name: str = "root") -> list[WireWord]:
        session = ClientSession(self.folder, self.vault, Caller(uid, uid, os.getpid(), name))
        return answers(session, request)

    def refusal(self, request: Request, **who: Any) -> str:
        with pytest.raises(MunimentError) as raised:
            self.send(request, **who)
        return f"{type(raised.value).__name__}: {raised.value}"


@pytest.fixture
def house(folder: Path) -> Iterator[House]:
    vault = open_vault(folder, write=True)
    yield House(folder, vault)
    vault.close()


def about(name: str, target: Path) -> dict[str, Request]:
    """Every request that names a person."""
    return {
        "list": api.ListMessages(user=name, folder="Inbox"),
        "search --user": api.Search(query="to", user=name),
        "search user:": api.Search(query=f"to user:{name}"),
        "search -user:": api.Search(query=f"to -user:{name}"),
        "search OR user:": api.Search(query=f"(to OR user:{name})"),
        "export --user": api.Export(query="to", user=name, path=str(target)),
        "export user:": api.Export(query=f"user:{name}", path=str(target)),
        "export folder": api.Export(query="", user=name, folder="Inbox", path=str(target)),
        "show user": api.ShowUser(user=name),
    }


def within(name: str, target: Path) -> dict[str, Request]:
    """Every request that names a folder."""
    return {
        "list": api.ListMessages(user="bob@example.com", folder=name),
        "search in:": api.Search(query=f'in:"{name}"'),
        "search --user in:": api.Search(query=f'in:"{name}"', user="bob@example.com"),
        "export in:": api.Export(query=f'in:"{name}"', path=str(target)),
        "export folder": api.Export(query="", user="bob@example.com", folder=name, path=str(target)),
    }


REQUESTS = list(about("", Path("/")))
FOLDER_REQUESTS = list(within("", Path("/")))


@pytest.mark.parametrize("name_of_request", REQUESTS)
@pytest.mark.parametrize("name", ["carrol@example.com", "nobody@elsewhere.example"])
def test_a_person_who_does_not_exist_is_an_error(
    house: House, tmp_path: Path, name_of_request: str, name: str
) -> None:
    sentence = house.refusal(about(name, tmp_path / "out")[name_of_request])
    assert sentence.startswith("NotFound: ")
    assert name in sentence
    assert ("carol@example.com" in sentence) == name.endswith("@example.com")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name_of_request", REQUESTS)
def test_a_person_who_exists_is_not_an_error(house: House, tmp_path: Path, name_of_request: str) -> None:
    assert house.send(about("carol@example.com", tmp_path / "out")[name_of_request])


@pytest.mark.parametrize("name_of_request", FOLDER_REQUESTS)
def test_a_folder_that_nobody_has_is_an_error(house: House, tmp_path: Path, name_of_request: str) -> None:
    sentence = house.refusal(within("Inbbox", tmp_path / "out")[name_of_request])
    assert sentence.startswith("NotFound: ")
    assert "did you mean Inbox?" in sentence


@pytest.mark.parametrize("name_of_request", FOLDER_REQUESTS)
@pytest.mark.parametrize("name", ["Inbox", "INBOX", "sent"])
def test_the_usual_folders_exist_even_where_they_are_empty(
    house: House, tmp_path: Path, name_of_request: str, name: str
) -> None:
    assert house.send(within(name, tmp_path / "out")[name_of_request])


def test_any_sender_can_be_searched_for(house: House) -> None:
    (hits,) = house.send(api.Search(query="from:nobody@example.com"))
    assert isinstance(hits, api.Hits)
    assert hits.total == 0


@pytest.mark.parametrize("who", [{"uid": BOB, "name": "bob"}, {"uid": NEWCOMER, "name": "newcomer"}])
@pytest.mark.parametrize("name_of_request", REQUESTS)
def test_a_plain_user_gets_the_same_answer_for_existing_and_unknown_people(
    house: House, tmp_path: Path, name_of_request: str, who: dict[str, Any]
) -> None:
    answers = set()
    for name in ("carol@example.com", "carrol@example.com", "nobody@elsewhere.example"):
        sentence = house.refusal(about(name, tmp_path / "out")[name_of_request], **who)
        answers.add(sentence.replace(name, "NAME"))
    assert len(answers) == 1
    assert "carol" not in answers.pop()


@pytest.mark.parametrize("name", ["Projects", "Nothing"])
def test_errors_reveal_no_folders_of_others_to_a_plain_user(
    house: House, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Carol has one folder, which the catalog lists after a run of her mailbox; the other does not exist."""
    listed = [*house.vault.catalog.tree(), ("carol@example.com", [("Projects", 1)])]
    monkeypatch.setattr(type(house.vault.catalog), "tree", lambda catalog: listed)
    for request in (api.Search(query=f"in:{name}"), api.ListMessages(user="bob@example.com", folder=name)):
        sentence = house.refusal(request, uid=BOB, name="bob")
        assert sentence == f"NotFound: bob@example.com has no folder '{name}'; there are Inbox, Sent"


def test_the_history_of_an_unknown_profile_is_an_error(house: House) -> None:
    (name,) = [one.name for one in house.send(api.ListProfiles())[0].profiles][:1]  # type: ignore[attr-defined]
    assert house.send(api.GetHistory(profile=name))
    for state in ("", "ok", "failed"):
        sentence = house.refusal(api.GetHistory(profile=f"{name}x", state=state))
        assert f"did you mean {name}" in sentence


@pytest.mark.parametrize(
    "request_",
    [
        api.ShowProfile(name="nosuch"),
        api.Run(profile="nosuch"),
        api.CancelRun(profile="nosuch"),
        api.TestProfile(name="nosuch"),
        api.RemoveProfile(name="nosuch"),
        api.RenameProfile(name="nosuch", to="other"),
        api.ReadRaw(id="00112233", what="quarantine"),
        api.Show(id="00112233"),
        api.RemoveUser(user="nobody@example.com"),
        api.CheckSetup(step="nosuch"),
    ],
    ids=lambda request: type(request).__name__,
)
def test_other_unknown_names_are_errors(house: House, request_: Request) -> None:
    assert house.refusal(request_).startswith("NotFound: ")


def test_a_missing_part_of_a_message_is_an_error(house: House) -> None:
    (hits,) = house.send(api.Search(query="subject:carol"))
    assert isinstance(hits, api.Hits)
    id_ = hits.hits[0].id
    for request in (api.ReadAttachment(id=id_, number=7), api.ReadRaw(id=id_, what="report", report=99)):
        assert house.refusal(request).startswith("NotFound: ")


def test_suggestions_are_close_few_and_bounded() -> None:
    names = [f"user{n}@example.com" for n in range(50_000)]
    assert suggestion("zzz", names) == ""
    assert suggestion("anna@exmaple.com", ["anna@example.com", "bob@example.com"]) == (
        " (did you mean anna@example.com?)"
    )
    assert suggestion("user1@exampel.com", names).count("@") <= 3

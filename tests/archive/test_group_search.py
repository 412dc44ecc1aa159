"""`group:` in a search: the mail of who is in the group now."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.operations.group_search import with_groups
from muniment.archive.query import GroupTerm
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import AccessRefused, NotFound, QueryError, UsageError
from muniment.service.access.roles import Caller
from muniment.service.host.session import ClientSession
from support.asking import answers
from support.reports import plain, report
from support.vaults import TestVault

BOB = Caller(61_000, 61_000, 1, "bob")


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    made = TestVault(tmp_path / "vault")
    made.client.call(api.AddUser(name="Ada", addresses=("ada@example.com", "a@corp.net")), api.Done)
    for to in ("ada@example.com", "a@corp.net", "bob@example.com", "eve@else.example"):
        original = plain(sender="x@else.org", to=[to], subject=to)
        made.archive([report(original, sender="x@else.org", recipients=[to])], journal=True)
    return made


def call(vault: TestVault, request: Any) -> Any:
    return vault.client.call(request, api.WireWord)


def found(vault: TestVault, query: str) -> set[str]:
    return {hit.subject for hit in vault.search(query)}


def test_a_search_finds_the_mail_of_the_members_of_now(vault: TestVault) -> None:
    call(vault, api.JoinGroup(group="The Board", members=("ada@example.com", "eve@else.example")))
    call(vault, api.JoinGroup(group="The Board", members=("bob@example.com",), since="2099-01-01"))
    board = {"ada@example.com", "a@corp.net", "eve@else.example"}
    assert found(vault, 'group:"the board"') == board
    assert found(vault, '-group:"the board"') == {"bob@example.com"}
    assert found(vault, 'group:"the board" from:else.org subject:corp') == {"a@corp.net"}
    assert found(vault, '(group:"the board" OR bob)') == {*board, "bob@example.com"}
    call(vault, api.LeaveGroup(group="The Board", members=("eve@else.example",)))
    assert found(vault, 'group:"the board"') == board - {"eve@else.example"}
    assert found(vault, 'group:"the board" in:inbox') == board - {"eve@else.example"}
    call(vault, api.LeaveGroup(group="The Board", members=("ada@example.com",)))
    assert found(vault, 'group:"the board"') == set()


def test_an_unknown_group_is_an_error_and_a_large_one_too(vault: TestVault) -> None:
    with pytest.raises(NotFound, match="no group 'board'"):
        found(vault, "group:board")
    call(vault, api.JoinGroup(group="board", members=("ada@example.com", "bob@example.com")))
    with (
        closing(open_vault(vault.folder, write=False)) as opened,
        pytest.raises(QueryError, match="2 members"),
    ):
        with_groups(opened, GroupTerm("board"), int(time.time()), most=1)


def test_a_plain_user_can_not_search_groups_whether_they_exist_or_not(vault: TestVault) -> None:
    call(vault, api.JoinGroup(group="board", members=("bob@example.com",)))
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('\n[access.users]\nbob = "bob@example.com"\n')
    vault.client.close()
    with closing(open_vault(vault.folder, write=True)) as opened:
        sentences = set()
        for query in ("group:board", "group:none", "x OR -group:board"):
            with pytest.raises(AccessRefused) as refused:
                answers(ClientSession(vault.folder, opened, BOB), api.Search(query=query))
            sentences.add(str(refused.value))
        assert len(sentences) == 1


def test_a_query_of_a_hold_can_not_name_a_group(vault: TestVault) -> None:
    call(vault, api.JoinGroup(group="board", members=("bob@example.com",)))
    with pytest.raises(UsageError, match="can't have user:, group: or in:"):
        call(vault, api.PlaceHold(name="h", reason="r", mail=api.MailCriteria(query="group:board")))

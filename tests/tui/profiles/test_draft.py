"""The state of the form, without a screen."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from muniment.config.file import profile_of
from muniment.profiles.fields import FIELD
from muniment.profiles.registry import KIND, KINDS
from muniment.profiles.source_kind import in_file, in_form
from muniment_tui.profiles.conflict import differences, question
from muniment_tui.profiles.draft import ProfileDraft
from muniment_tui.profiles.layout import place_hint, secret_label
from muniment_tui.widgets.typed_values import COMMAND, ENV, FILE, KEYRING, VAULT, described

GATEWAY = {"host": "gw.example", "mailbox": "mbx-1", "password": {"file": "secrets/gw-01"}, "every": 60}


def typed(draft: ProfileDraft, **texts: str) -> ProfileDraft:
    for name, text in texts.items():
        draft.type(name, text)
    return draft


def test_a_new_draft_has_mailstore_s_defaults() -> None:
    draft = ProfileDraft(KIND["gateway"])
    shown = {field.name: draft.text(field.name) for field in draft.fields if field.type != "password"}
    assert (shown["delete"], shown["timeout"], shown["every"], shown["enabled"]) == (
        "yes",
        "300",
        "300",
        "yes",
    )
    assert set(draft.problems()) == {"name", "host", "mailbox", "password"}
    assert not draft.changed


def test_typed_texts_become_values_of_vault_toml() -> None:
    draft = typed(
        ProfileDraft(KIND["gateway"], "gw"),
        host=" gw.example ",
        mailbox="mbx-1",
        port="1110",
        every="60",
        delete="no",
        enabled="no",
        timeout="300",
        security="tls",
        tenant="",
    )
    draft.password = 'a"\\b'
    expected = {
        "host": "gw.example",
        "mailbox": "mbx-1",
        "port": 1110,
        "every": 60,
        "delete": False,
        "enabled": False,
        "security": "tls",
    }
    assert draft.values() == expected
    assert draft.changes() == expected | {"source": "gateway"}
    assert draft.problems() == {}
    assert draft.changed
    assert 'a"\\b' not in repr(draft)
    assert "fill up" in draft.warnings()["delete"]


def test_only_changes_are_sent() -> None:
    draft = ProfileDraft(KIND["gateway"], "gw", GATEWAY, new=False)
    assert (draft.changes(), draft.changed) == ({}, False)
    typed(draft, every="300", port="995", host="gw.example")
    assert draft.changes() == {"every": None, "port": 995}
    typed(draft, every="60", port="")
    assert (draft.changes(), draft.changed) == ({}, False)
    draft.password = "new"
    assert draft.changes() == {}
    draft.password, draft.place, draft.where = "", ENV, "GW_PASS"
    assert draft.changes() == {"password": {"env": "GW_PASS"}}


def test_lists_are_edited_as_a_line() -> None:
    imap = {"folders": ["Inbox", "a, b", 'the "best"'], "password": {"env": "P"}}
    draft = ProfileDraft(KIND["imap"], "p", imap, new=False)
    assert draft.changes() == {}
    assert "@drafts, @junk" in draft.text("exclude")
    typed(draft, exclude="@junk,  Old stuff ,", folders=draft.text("folders") + ",Sent")
    assert draft.changes() == {
        "exclude": ("@junk", "Old stuff"),
        "folders": ("Inbox", "a, b", 'the "best"', "Sent"),
    }
    typed(draft, exclude="", folders="")
    assert draft.changes() == {"exclude": (), "folders": None}


def test_a_copy_has_all_fields() -> None:
    draft = ProfileDraft(KIND["gateway"], "gw2", GATEWAY)
    assert draft.changes() == GATEWAY | {"source": "gateway"}


@pytest.mark.parametrize(
    ("spec", "place", "where"),
    [
        (None, VAULT, ""),
        ({"file": "secrets/gw-01"}, VAULT, ""),
        ({"file": "/etc/gw.pass"}, FILE, "/etc/gw.pass"),
        ({"keyring": "mail/ada"}, KEYRING, ""),
        ({"env": "GW"}, ENV, "GW"),
        ({"command": ["pass", "show", "the gw"]}, COMMAND, "pass show 'the gw'"),
    ],
)
def test_the_place_of_a_password(spec: dict[str, Any] | None, place: str, where: str) -> None:
    draft = ProfileDraft(KIND["gateway"], "gw", GATEWAY | {"password": spec}, new=False)
    assert (draft.place, draft.where) == (place, where)
    assert draft.password_spec() == spec
    assert draft.changes() == {}
    assert ("password" in draft.problems()) == (spec is None)
    assert described(spec)


@pytest.mark.parametrize(
    ("texts", "wrong"),
    [
        ({"port": "x"}, "port"),
        ({"port": "70000"}, "port"),
        ({"port": "-1"}, "port"),
        ({"every": "0"}, "every"),
        ({"host": "a b"}, "host"),
        ({"host": ""}, "host"),
        ({"fingerprint": "ab"}, "fingerprint"),
        ({"tenant": "nobody"}, "tenant"),
        ({"security": "none"}, "security"),
    ],
)
def test_each_problem_is_reported_at_its_field(texts: dict[str, str], wrong: str) -> None:
    draft = typed(ProfileDraft(KIND["gateway"], "gw", GATEWAY, new=False), **texts)
    assert list(draft.problems()) == [wrong]


@pytest.mark.parametrize("place", [FILE, ENV, COMMAND])
def test_a_place_needs_a_value(place: str) -> None:
    draft = ProfileDraft(KIND["gateway"], "gw", GATEWAY, new=False)
    draft.place = place
    assert list(draft.problems()) == ["password"]
    draft.where = "pass 'gw" if place == COMMAND else "here"
    assert bool(draft.problems()) == (place == COMMAND)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_engine_accepts_what_the_form_accepts(kind: Any) -> None:
    draft = typed(ProfileDraft(kind, "p"))
    for name, text in {"host": "h.example", "mailbox": "ada@h.example", "path": "/srv/mail"}.items():
        if name in (*kind.fields, *kind.more):
            draft.type(name, text)
    if kind.server:
        draft.place, draft.where = ENV, "P"
    if kind.name == "graph":
        assert set(draft.problems()) == {"directory", "client_id"}
        for name, text in {"directory": "contoso.example", "client_id": "1"}.items():
            draft.type(name, text)
    assert draft.problems() == {}
    profile = profile_of("p", draft.source_fields())
    assert profile.source == kind.name
    assert set(draft.source_fields()) <= {*FIELD, "source"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_problems_use_the_labels_of_the_form(kind: Any) -> None:
    draft = ProfileDraft(kind, "p", {"journal": False, "owner": ""}, new=False)
    wrong = {"every": "0", "fingerprint": "x", "folder": "Other", "mailboxes": "nobody", "auth": "google"}
    typed(draft, **{name: text for name, text in wrong.items() if name in {f.name for f in draft.fields}})
    found = draft.problems()
    assert found
    for name, sentence in found.items():
        assert not re.search(r"[{}]| = |client_id|newer_than|ca_file", sentence), (name, sentence)
    if "owner" in found:
        assert 'Owner: the address of its owner (or Content "journal reports"' in found["owner"]


def test_a_typed_text_with_braces_stays_as_it_is() -> None:
    assert in_form("{every} is {journal}, not {x} or {}") == "Every (seconds) is Content, not {x} or {}"
    assert in_file('{journal=true} or {auth="app"}') == 'journal = true or auth = "app"'


def test_kinds_that_are_imported_once_run_by_hand() -> None:
    for kind in KINDS:
        draft = ProfileDraft(kind, "p")
        assert draft.enabled is not kind.once, kind.name
        assert not draft.changed
        draft.type("enabled", "yes")
        assert "enabled" not in draft.values()
        draft.type("enabled", "no")
        assert draft.values()["enabled"] is False
    assert [kind.name for kind in KINDS if kind.once] == ["mbox", "eml"]


def test_a_password_is_said_to_be_kept_only_where_it_is() -> None:
    draft = ProfileDraft(KIND["gateway"], "gw", GATEWAY | {"password": {"file": "/etc/secret"}}, new=False)
    draft.place = VAULT
    assert place_hint(draft) == ""
    assert "enter the password" in draft.problems()["password"]
    assert place_hint(ProfileDraft(KIND["gateway"], "gw", GATEWAY, new=False)).startswith("saved;")


def test_an_application_has_a_client_secret() -> None:
    assert secret_label(ProfileDraft(KIND["graph"], "p")) == "Client secret"
    assert secret_label(ProfileDraft(KIND["gateway"], "p")) == "Password"
    assert secret_label(typed(ProfileDraft(KIND["imap"], "p"), auth="app")) == "Client secret"


def test_edits_of_the_file_are_found() -> None:
    draft = typed(ProfileDraft(KIND["gateway"], "gw", GATEWAY, new=False), host="mine.example")
    now = tomllib.loads('host = "theirs.example"\nmailbox = "mbx-1"\nevery = 60\ndelete = false')
    now["password"] = {"file": "secrets/gw-02"}
    found = {name: (before, after) for name, before, after in differences(draft, now)}
    assert found["host"] == ("gw.example", "theirs.example")
    assert found["delete"] == ("yes", "no")
    assert set(found) == {"host", "delete", "password"}
    text = question(draft, now).plain
    assert "you changed it to mine.example" in text
    assert differences(draft, GATEWAY) == []
    assert "removed from" in question(draft, None).plain

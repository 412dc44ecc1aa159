"""The fields of a profile for an Exchange Server: which fit together, and errors for the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muniment.config.model import Profile
from muniment.profiles.kinds.ews import is_exchange_online
from muniment.profiles.registry import KIND
from muniment.profiles.source_kind import problems
from muniment.service.host.profile_source import endpoint_of, grant_of
from muniment.sources.endpoint import EwsEndpoint

GOOD: dict[str, Any] = {
    "host": "mail.example.org",
    "mailbox": "EXAMPLE\\svc",
    "owner": "anna@example.org",
    "password": {"file": "x"},
}
SEVERAL = {"owner": None, "mailboxes": ("a@example.org", "b@example.org"), "access": "impersonation"}
APPLICATION = {"auth": "app", "directory": "example.org", "client_id": "1-2", "mailbox": None}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"auth": "ntlm"},
        {"auth": "basic", "journal": True, "owner": None},
        {"folders": ("@inbox", "Kunden/*"), "older_than": 30, "delete": True, "delete_after": 90},
        SEVERAL,
        SEVERAL | {"access": "delegate", "mailboxes": ("*",)},
        SEVERAL | APPLICATION,
    ],
)
def test_fields_that_go_together(fields: dict[str, Any]) -> None:
    assert problems(KIND["ews"], GOOD | fields) == {}


@pytest.mark.parametrize(
    ("fields", "name", "part"),
    [
        ({"host": "outlook.office365.com"}, "host", "blocked since 2026-10-01"),
        ({"security": "starttls"}, "security", "no STARTTLS"),
        ({"security": "none"}, "security", "unencrypted"),
        ({"auth": "google", "certificate": "x"}, "auth", "can't log in by google"),
        ({"mailboxes": ("a@example.org",)}, "access", "impersonation"),
        ({"access": "delegate"}, "mailboxes", "name them"),
        (SEVERAL | {"mailboxes": ("anna",)}, "mailboxes", "not a mail address"),
        (SEVERAL | {"mailboxes": ("*", "a@example.org")}, "mailboxes", "must be the only entry"),
        (APPLICATION, "mailbox", "missing"),
        ({"owner": None}, "owner", "needs owner"),
    ],
)
def test_fields_that_do_not_go_together(fields: dict[str, Any], name: str, part: str) -> None:
    assert part in problems(KIND["ews"], GOOD | fields)[name]


@pytest.mark.parametrize(
    "fields", [{"auth": "ntlm"}, {"mailboxes": ("a@b.example",)}, {"access": "delegate"}]
)
def test_fields_of_exchange_are_refused_for_other_kinds(fields: dict[str, Any]) -> None:
    assert set(problems(KIND["imap"], GOOD | fields)) == set(fields)


def test_hosts_of_exchange_online_are_recognised() -> None:
    for host in (
        "outlook.office365.com",
        "Outlook.Office.com.",
        "x.prod.outlook.com",
        "outlook.office365.us",
    ):
        assert is_exchange_online(host)
    for host in ("mail.example.org", "office365.com.example.org", "notoffice365.com", "localhost"):
        assert not is_exchange_online(host)


def test_a_profile_becomes_an_endpoint(tmp_path: Path) -> None:
    profile = Profile.of("p", "ews", **GOOD | SEVERAL | {"owner": "", "auth": "ntlm"})
    made = endpoint_of(profile, tmp_path, "secret")
    assert isinstance(made, EwsEndpoint)
    assert (made.scheme, made.mailboxes, made.access) == ("ntlm", SEVERAL["mailboxes"], "impersonation")
    assert (made.address, made.tokens) == ("mail.example.org:443", None)
    assert made.folders is not None


@pytest.mark.parametrize(("way", "scope"), [("app", ".default"), ("device", "EWS.AccessAsUser.All")])
def test_tokens_are_for_the_server_itself(tmp_path: Path, way: Any, scope: str) -> None:
    profile = Profile.of("p", "ews", auth=way, host="mail.example.org")
    assert grant_of(profile, tmp_path, None).scopes == (f"https://mail.example.org/{scope}",)

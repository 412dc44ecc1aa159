"""The registry of source kinds: each entry agrees with itself, with the sources and with the documents."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from muniment.config.model import PROFILE_KEYS, JournalingSection, Profile
from muniment.net.oauth import GOOGLE_SCOPE
from muniment.profiles.fields import FIELD, FIELDS, PASSWORD_AUTH
from muniment.profiles.kinds.common import GOOGLE
from muniment.profiles.registry import KIND, KINDS, AnySettings
from muniment.profiles.settings import FileSettings, LoginSettings, Security
from muniment.profiles.source_kind import SourceKind, asked, default, folded, problems, tidied
from muniment.service.host.profile_source import endpoint_of
from muniment.sources.factory import open_source
from support.documents import ROOT, anchors
from support.endpoints import endpoint_for

SERVERS = [kind for kind in KINDS if kind.server]

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
every_server = pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.name)


def complete(kind: SourceKind) -> dict[str, Any]:
    """The fields without which a profile of this kind is refused."""
    needed: dict[str, Any] = {"path": "/srv/mail"} if kind.files else {}
    if kind.server:
        needed = {"mailbox": "ann@example.org", "password": {"file": "secret"}}
        needed |= {} if kind.host else {"host": "mail.example.org"}
    if "app" in kind.auth[:1]:
        needed |= {"directory": "example.org", "client_id": "1-2"}
    return needed


def shown(kind: SourceKind) -> list[str]:
    return [field.name for field in (*asked(kind), *folded(kind))]


@every_kind
def test_every_kind_opens_from_a_profile_without_a_connection(kind: SourceKind, tmp_path: Path) -> None:
    endpoint = endpoint_of(Profile.of("p", kind.name, **complete(kind)), tmp_path, "password")
    source = open_source(endpoint)
    assert type(source).__name__ == kind.opens.partition(":")[2]
    assert isinstance(endpoint, get_type_hints(type(source).__init__)["endpoint"])
    source.close()


def test_a_kind_has_one_entry_and_one_type_of_settings() -> None:
    assert len(KIND) == len(KINDS)
    assert [kind.settings for kind in KINDS] == [KIND[one().source].settings for one in get_args(AnySettings)]
    assert all(kind.settings().source == kind.name for kind in KINDS)


@every_kind
def test_every_kind_has_a_page_that_names_it(kind: SourceKind) -> None:
    page, _, heading = kind.page.partition("#")
    assert heading in anchors(ROOT / page)
    assert re.search(rf'[`"]{kind.name}[`"]', (ROOT / page).read_text(encoding="utf-8"))


@every_kind
def test_the_settings_have_the_fields_of_the_form(kind: SourceKind) -> None:
    assert len(shown(kind)) == len(set(shown(kind)))
    settings = set(kind.settings.__struct_fields__)
    assert settings <= set(shown(kind))
    assert set(shown(kind)) <= settings | set(Profile.__struct_fields__)
    assert issubclass(kind.settings, LoginSettings if kind.server else FileSettings)


@every_kind
def test_defaults_agree_with_the_table_of_fields(kind: SourceKind) -> None:
    profile = Profile.of("p", kind.name)
    effective = {"journal": profile.journal_on, "delete": profile.delete_on, "auth": profile.auth_by}
    for field in FIELDS:
        assert default(kind, field.name) == effective.get(field.name, profile.value(field.name)), field.name
    for struct in (kind.settings(), profile):
        for name in FIELD.keys() & set(struct.__struct_fields__):
            assert getattr(struct, name) == FIELD[name].default, name


@every_kind
def test_a_complete_profile_is_valid_with_its_defaults_left_out_or_written(kind: SourceKind) -> None:
    needed = complete(kind)
    assert problems(kind, needed) == {}
    written = {name: default(kind, name) for name in FIELD}
    assert problems(kind, written | needed) == {}
    for name in needed:
        assert name in problems(kind, {key: value for key, value in needed.items() if key != name})


def test_a_field_has_one_type_for_all_kinds() -> None:
    types: dict[str, Any] = {}
    structs: list[type[msgspec.Struct]] = [Profile, *[kind.settings for kind in KINDS]]
    for struct in structs:
        for field in msgspec.structs.fields(struct):
            assert types.setdefault(field.name, field.type) == field.type, (struct, field.name)
    assert types.keys() >= FIELD.keys()


def test_the_file_has_the_fields_of_the_table() -> None:
    assert len(PROFILE_KEYS) == len(set(PROFILE_KEYS))
    assert set(PROFILE_KEYS) == {*FIELD, "source", "untested"}


@every_server
def test_ports_agree_with_what_an_endpoint_takes(kind: SourceKind, tmp_path: Path) -> None:
    usual = endpoint_for(kind=kind.name, work=tmp_path)
    assert usual.port_number == kind.ports[usual.secured_by]
    for security, port in kind.ports.items():
        assert endpoint_for(kind=kind.name, work=tmp_path, security=security).port_number == port
    assert set(kind.ports) <= set(get_args(Security))
    wrong = {security for security in get_args(Security) if security not in kind.ports}
    for security in wrong:
        given = complete(kind) | {"security": security, "host": "127.0.0.1"}
        assert "security" in problems(kind, given), security


@pytest.mark.parametrize(
    ("kind", "port", "security"),
    [
        ("gateway", None, "starttls"), ("gateway", 995, "starttls"), ("pop3", None, "starttls"),
        ("pop3", 110, "starttls"), ("pop3", 995, "tls"), ("imap", None, "tls"), ("imap", 143, "tls"),
        ("ews", None, "tls"), ("graph", None, "tls"),
    ],
)  # fmt: skip
def test_the_usual_security_depends_on_kind_and_port(
    kind: str, port: int | None, security: str, tmp_path: Path
) -> None:
    assert endpoint_for(kind=kind, work=tmp_path, port=port).secured_by == security


@every_kind
def test_there_are_scopes_for_each_way_to_log_in_by_token(kind: SourceKind) -> None:
    assert set(kind.scopes) == set(kind.auth) - set(PASSWORD_AUTH)
    assert GOOGLE == GOOGLE_SCOPE
    for scopes in kind.scopes.values():
        assert scopes
        assert all(one.format(host="h.example", access="Read").startswith("https://") for one in scopes)


def test_each_place_of_journal_reports_has_a_kind() -> None:
    (places,) = (f.type for f in msgspec.structs.fields(JournalingSection) if f.name == "reports")
    assert {kind.reports for kind in KINDS} - {None} == set(get_args(places))


def test_the_sentence_on_folders_names_the_kinds_that_have_them() -> None:
    names = ", ".join(kind.name for kind in KINDS if "folders" in kind.settings.__struct_fields__)
    assert f"({names})" in problems(KIND["pop3"], complete(KIND["pop3"]) | {"folders": ("a",)})["folders"]


def test_only_a_gateway_drops_the_host_of_a_mailbox() -> None:
    assert tidied(KIND["gateway"], "mailbox", " mbx-1@gw.example ") == "mbx-1"
    assert tidied(KIND["imap"], "mailbox", " ada@gw.example ") == "ada@gw.example"


def test_the_registry_loads_no_source() -> None:
    script = "import muniment.profiles.registry, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("muniment.")}
    assert loaded
    assert not [name for name in loaded if not name.startswith("muniment.profiles")]
    assert not {"exchangelib", "tantivy", "sqlalchemy", "urllib3"} & set(done.stdout.split())


def test_fields_of_another_kind_are_kept_and_have_no_place_in_the_settings() -> None:
    profile = Profile.of("p", "mbox", path="/old.mbox", host="mail.example.org", timeout=300)
    assert profile.foreign == {"host": "mail.example.org"}
    assert not hasattr(profile.settings, "host")
    assert (profile.value("host"), profile.value("timeout")) == ("mail.example.org", 300)
    assert list(profile.table()) == ["name", *PROFILE_KEYS]
    assert profile == Profile.of("p", "mbox", path="/old.mbox", host="mail.example.org")

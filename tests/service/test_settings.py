"""The requests for the settings: shown without secrets, checked by field, written with comments kept."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.config.file import load
from muniment.errors import AccessRefused, ConfigError, NotFound, SettingsChanged, VaultError
from muniment.service.access.roles import Caller
from muniment.service.dispatch.engine import Engine
from muniment.service.host.session import ClientSession
from muniment.system.atomic_files import write_file
from support.served import served
from support.vaults import TestVault

TOML = """\
version = 1
name = "Acme"   # as on the letterhead
domains = ["example.com"]

[notify]
# the pager
urls = ["json://ines:hunter2@hooks.example/token-123", { file = "ntfy.url" }]

[notify.mail]
host = "smtp.example.com"  # our relay
to = ["admin@example.com"]
login = "archive"
password = { env = "SMTP_PASSWORD" }

[access]
auditors = ["audrey"]

[access.users]
bob = "bob@example.com"  # the director
carol = "carol@example.com"

[profile.box]
source = "maildir"
path = "/nowhere"
journal = true
every = 600
"""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    made = TestVault(tmp_path / "vault")
    (made.folder / "vault.toml").write_text(TOML)
    yield made
    made.client.close()


def shown(vault: TestVault) -> dict[str, api.SettingWord]:
    groups = vault.client.call(api.GetSettings(), api.VaultSettings).groups
    return {setting.key: setting for group in groups for setting in group.settings}


def put(vault: TestVault, values: dict[str, Any], **options: Any) -> api.Done:
    return vault.client.call(api.PutSettings(values=values, **options), api.Done)


def check(vault: TestVault, values: dict[str, Any], **options: Any) -> dict[str, str]:
    return vault.client.call(api.CheckSettings(values=values, **options), api.Problems).problems


def text(vault: TestVault) -> str:
    return (vault.folder / "vault.toml").read_text()


def test_the_settings_have_values_labels_and_defaults(vault: TestVault) -> None:
    found = shown(vault)
    assert found["name"].value == "Acme"
    assert found["notify.mail.to"].value == ("admin@example.com",)
    assert found["notify.silent_hours"].value == found["notify.silent_hours"].default == 24
    assert found["access.users"].value == {"bob": "bob@example.com", "carol": "carol@example.com"}
    assert found["profile.box.every"].value == 600
    assert found["profile.box.enabled"].label == "box: Run"


def test_no_secret_is_sent(vault: TestVault) -> None:
    reply = vault.client.call(api.GetSettings(), api.VaultSettings)
    for secret in ("hunter2", "token-123", "hooks.example"):
        assert secret not in repr(reply)
    assert shown(vault)["notify.urls"].value == ("json:… (1)", "file ntfy.url")
    assert shown(vault)["notify.mail.password"].value == {"env": "SMTP_PASSWORD"}


def test_a_change_keeps_comments_and_is_recorded(vault: TestVault) -> None:
    done = put(
        vault, {"notify.silent_hours": 72, "notify.mail.host": "relay.example.com", "name": "Acme Ltd"}
    )
    assert done.message == "1 setting of Organisation and 2 of Notifications changed."
    assert text(vault) == (
        TOML.replace('"Acme"', '"Acme Ltd"')
        .replace("smtp.example.com", "relay.example.com")
        .replace('{ file = "ntfy.url" }]\n', '{ file = "ntfy.url" }]\nsilent_hours = 72\n')
    )
    events = vault.client.call(api.GetAudit(), api.Audit).events
    (event,) = [one for one in events if one.event == "changed"]
    assert (event.event, event.word) == ("changed", "PutSettings")
    assert event.detail["settings"] == ["name", "notify.mail.host", "notify.silent_hours"]


def test_one_entry_of_a_table_changes_and_the_others_keep_their_comments(vault: TestVault) -> None:
    put(vault, {"access.users": {"bob": "bob@example.com", "dora": "dora@example.com"}})
    assert load(vault.folder / "vault.toml").access.users == {
        "bob": "bob@example.com", "dora": "dora@example.com",
    }  # fmt: skip
    assert 'bob = "bob@example.com"  # the director' in text(vault)
    put(vault, {"access.users": None, "notify.silent": {"box": 48}})
    settings = load(vault.folder / "vault.toml")
    assert (settings.access.users, settings.notify.silent) == ({}, {"box": 48})


def test_a_default_is_removed_from_the_file(vault: TestVault) -> None:
    put(vault, {"access.auditors": None})
    assert "audrey" not in text(vault)


def test_a_typed_address_is_kept_outside_of_the_file(vault: TestVault) -> None:
    put(vault, {"notify.urls": ["json:… (1)", "ntfy://secret-topic"]})
    first, second = load(vault.folder / "vault.toml").notify.urls
    assert first == "json://ines:hunter2@hooks.example/token-123"
    assert isinstance(second, dict)
    kept = vault.folder / second["file"]
    assert kept.read_text() == "ntfy://secret-topic\n"
    assert kept.stat().st_mode & 0o077 == 0
    assert "secret-topic" not in text(vault)
    put(vault, {"notify.urls": ["json:… (1)"]})
    assert not kept.exists()


def test_a_typed_password_is_kept_and_the_old_one_forgotten(vault: TestVault) -> None:
    kept = []
    for typed in ("hunter2", "hunter3"):
        assert put(vault, {}, password=typed).message == "1 setting of Notifications changed."
        spec = load(vault.folder / "vault.toml").notify.mail.password
        assert spec is not None
        kept.append(vault.folder / spec["file"])
        assert kept[-1].read_text() == f"{typed}\n"
    assert not kept[0].exists()


def test_a_refused_change_leaves_no_secret_behind(vault: TestVault) -> None:
    with pytest.raises(ConfigError):
        put(vault, {"notify.mail.port": 0, "notify.urls": ["ntfy://topic"]}, password="hunter2")
    assert text(vault) == TOML
    assert not list((vault.folder / "secrets").glob("*"))


def test_the_schedule_of_a_profile_changes(vault: TestVault) -> None:
    done = put(vault, {"profile.box.every": 60, "profile.box.enabled": False})
    assert done.message == "2 settings of Schedule changed."
    (profile,) = load(vault.folder / "vault.toml").profiles
    assert (profile.every, profile.enabled) == (60, False)


def test_a_change_by_hand_is_noticed(vault: TestVault) -> None:
    version = vault.client.call(api.GetSettings(), api.VaultSettings).version
    (vault.folder / "vault.toml").write_text(TOML + "\n# by hand\n")
    with pytest.raises(SettingsChanged):
        put(vault, {"name": "Other"}, version=version)
    with pytest.raises(SettingsChanged):
        check(vault, {"name": "Other"}, version=version)
    assert "Other" not in text(vault)


@pytest.mark.parametrize(
    ("values", "key", "part"),
    [
        ({"gateway.listen": "nowhere"}, "gateway.listen", "Listens on is 'nowhere'; write address:port"),
        ({"gateway.listen": "0.0.0.0:25"}, "gateway.addresses", "Journal addresses is missing"),
        ({"gateway.key": "key.pem"}, "gateway.key", "Key file needs Certificate as well"),
        ({"notify.daily": "7:30"}, "notify.daily", "Daily summary at must be a local time of day"),
        ({"notify.mail.login": ""}, "notify.mail.login", "Login name and Password belong together"),
        ({"notify.urls": ["hunter2"]}, "notify.urls", "not the address of a service"),
        ({"notify.silent_hours": "x"}, "notify.silent_hours", "another type"),
        ({"access.users": {"bob": "x"}}, "access.users", "'x' is not a mail address"),
        ({"domains": ["a b"]}, "domains", "Mail domains: 'a b' is not a mail domain"),
        ({"profile.box.every": 0}, "profile.box.every", "must be from 1"),
        ({"profile.box.every": "x"}, "profile.box.every", "must be a whole number"),
    ],
)
def test_problems_are_named_by_field_in_words_of_the_form(
    vault: TestVault, values: dict[str, Any], key: str, part: str
) -> None:
    found = check(vault, values)
    assert part in found[key]
    assert "hunter2" not in repr(found)
    assert text(vault) == TOML


@pytest.mark.parametrize("value", [5, "json://hunter2@hooks.example", {"a": 1}, [5], [["x"]], True, 1.5])
def test_a_value_of_another_type_is_a_problem_of_its_field(vault: TestVault, value: Any) -> None:
    for key in (*shown(vault), "notify.urls"):
        if isinstance(value, str) and key != "notify.urls":
            continue
        for request in (api.CheckSettings, api.PutSettings):
            reply: object
            try:
                reply = vault.client.call(request(values={key: value}), api.WireWord)
            except ConfigError as error:
                reply = error
            assert "hunter2" not in str(reply)
            if key == "notify.urls" and isinstance(reply, api.Problems):
                assert key in reply.problems
        (vault.folder / "vault.toml").write_text(TOML)


def test_a_typed_password_counts_in_a_check(vault: TestVault) -> None:
    put(vault, {"notify.mail.login": None, "notify.mail.password": None})
    assert "notify.mail.password" in check(vault, {"notify.mail.login": "archive"})
    assert check(vault, {"notify.mail.login": "archive"}, password="hunter2") == {}
    assert not list((vault.folder / "secrets").glob("*"))


@pytest.mark.parametrize("key", ["version", "profiles", "gateway.nothing", "profile.box.path", "profile.x"])
def test_only_settings_of_the_form_can_be_changed(vault: TestVault, key: str) -> None:
    for request in (api.PutSettings(values={key: "x"}), api.CheckSettings(values={key: "x"})):
        with pytest.raises(NotFound):
            vault.client.call(request, api.WireWord)
    assert text(vault) == TOML


def test_the_service_answers_and_writes_over_its_socket(vault: TestVault) -> None:
    vault.client.close()
    with served(vault.folder) as (client, _):
        settings = client.call(api.GetSettings(), api.VaultSettings)
        (users,) = [
            word for group in settings.groups for word in group.settings if word.key == "access.users"
        ]
        values = {"access.users": users.value | {"dora": "dora@example.com"}, "notify.urls": ["json:… (1)"]}
        assert client.call(api.CheckSettings(values=values), api.Problems).problems == {}
        client.call(api.PutSettings(values=values, version=settings.version), api.Done)
        after = load(vault.folder / "vault.toml")
    assert after.access.users["dora"] == "dora@example.com"
    assert after.notify.urls == ("json://ines:hunter2@hooks.example/token-123",)
    assert "# the pager" in text(vault)


def test_an_auditor_sees_no_settings(vault: TestVault) -> None:
    audrey = Caller(61_000, 61_000, 1, "audrey")
    engine = Engine(ClientSession(vault.folder, None, audrey))
    for request in (api.GetSettings(), api.CheckSettings(values={}), api.PutSettings(values={})):
        with pytest.raises(AccessRefused):
            engine.call(request)


def test_a_change_that_fails_half_way_is_recorded_and_one_that_changes_nothing_is_not(
    vault: TestVault,
) -> None:
    before = text(vault)
    for values, changes in (({"reports": "nowhere"}, False), ({"name": "Other", "profile": "../x"}, True)):
        with pytest.raises(ConfigError):
            vault.client.call(api.PutSetup(values=values), api.Setup)
        assert (text(vault) != before) is changes
        events = vault.client.call(api.GetAudit(), api.Audit).events
        assert [one.word for one in events if one.event == "changed"] == (["PutSetup"] if changes else [])


@pytest.mark.parametrize(
    "request_",
    [
        api.PutSettings(values={}, password="s3cret", keep="file"),
        api.PutProfile(name="box", fields={"every": 700}, password="s3cret", keep="file"),
    ],
)
def test_a_secret_that_vault_toml_names_stays_also_if_its_last_sync_failed(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch, request_: api.PutSettings | api.PutProfile
) -> None:
    def written(*args: Any, **options: Any) -> None:
        write_file(*args, **options)
        raise OSError(errno.EIO, "Input/output error")

    if isinstance(request_, api.PutProfile):
        text = TOML.replace(
            'source = "maildir"\npath = "/nowhere"',
            'source = "imap"\nhost = "h"\nmailbox = "x"\npassword = { env = "X" }',
        )
        (vault.folder / "vault.toml").write_text(text)
    monkeypatch.setattr("muniment.config.edit.write_file", written)
    with pytest.raises(VaultError, match="may not survive"):
        vault.client.call(request_, api.Done)
    settings = load(vault.folder / "vault.toml")
    named = settings.notify.mail.password
    if isinstance(request_, api.PutProfile):
        named = settings.profiles[0].password
    assert isinstance(named, dict)
    assert (vault.folder / named["file"]).read_text() == "s3cret\n"


def test_a_replaced_password_of_a_profile_stays_if_notifications_use_it(vault: TestVault) -> None:
    kept = vault.folder / "secrets" / "box-1"
    kept.parent.mkdir()
    kept.write_text("shared\n")
    text = TOML.replace('{ env = "SMTP_PASSWORD" }', '{ file = "secrets/box-1" }')
    box = 'source = "imap"\nhost = "h"\nmailbox = "x"\npassword = { file = "secrets/box-1" }'
    text = text.replace('source = "maildir"\npath = "/nowhere"', box)
    (vault.folder / "vault.toml").write_text(text)
    vault.client.call(api.PutProfile(name="box", fields={}, password="new", keep="file"), api.Done)
    assert kept.exists()

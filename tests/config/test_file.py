"""Reading vault.toml: its values, and one clear sentence for each possible error."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muniment.config.check import check, listen_address
from muniment.config.file import interpret, load
from muniment.config.model import Profile
from muniment.errors import ConfigError, VaultError

GOOD = """
version = 1
name = "Harbour Works"
domains = ["Harbour.example", "works.example"]

[gateway]
listen = "[::1]:2525"
addresses = ["journal@archive.harbour.example"]
networks = ["192.0.2.0/24", "::1"]

[profile.hq]
source = "gateway"
host = "gateway.harbour.example"
mailbox = "4711@gateway.harbour.example"
password = { file = "hq.secret" }
tenant = "journal@harbour.example"

[profile.anna]
source = "imap"
host = "127.0.0.1"
port = 1143
security = "none"
mailbox = "anna@harbour.example"
password = { command = ["pass", "show", "anna"] }
every = 60

[profile."old.box"]
source = "mbox"
path = "old.mbox"
enabled = false
"""


GRAPH: dict[str, object] = {
    "source": "graph", "host": None, "mailbox": "anna@example.org", "auth": "app",
    "directory": "contoso.example", "client_id": "1234",
}  # fmt: skip


def profile(**fields: object) -> str:
    defaults: dict[str, object] = {
        "source": "gateway",
        "host": "gw.example",
        "mailbox": "m",
        "password": {"env": "X"},
    }
    values = {key: value for key, value in (defaults | fields).items() if value is not None}
    return "[profile.p]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in values.items())


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        interpret(text, "vault.toml")
    message = str(caught.value)
    assert message.startswith("vault.toml")
    assert "\n" not in message
    return message


def test_all_settings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "vault.toml"
    path.write_text(GOOD)
    settings = load(path)
    assert settings.name == "Harbour Works"
    assert settings.domains == ("harbour.example", "works.example")
    assert listen_address(settings.gateway.listen) == ("::1", 2525)
    hq, anna, old = settings.profiles
    assert (hq.name, hq.login, hq.journal_on, hq.delete_on, hq.plain_route) == (
        "hq", "4711", True, True, "catch-all",
    )  # fmt: skip
    assert (anna.login, anna.owner_address, anna.journal_on, anna.delete_on) == (
        "anna@harbour.example", "anna@harbour.example", False, False,
    )  # fmt: skip
    assert (old.name, old.enabled, old.value("timeout"), old.every) == ("old.box", False, 300, 300)
    for each in settings.profiles:
        check(each)


def test_an_empty_file_is_a_vault_without_profiles(tmp_path: Path) -> None:
    path = tmp_path / "vault.toml"
    path.write_bytes(b"\xef\xbb\xbf\r\n")
    assert load(path).profiles == ()


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("version = 1\nname Harbour\n", "line 2, column 6", "write key = value"),
        ("name = Harbour\n", "line 1, column 8", "double quotes"),
        ('name = "Harbour\n', "line 1, column 16", "close the text with a quote"),
        ('[profile.p]\npath = "C:\\mail"\n', "line 2, column 13", "backslash"),
        ("[profile.p\nport = 1\n", "line 1, column 11", "closed by ]"),
        ("\n[gateway]\n[gateway]\n", "line 3, column 9", "keep one"),
        ("domains = [\n", "line 2, column 1", "a list"),
        ('name = "a" b\n', "line 1, column 12", "a line"),
        ("=\n", "line 1, column 1", "key = value"),
    ],
)
def test_a_typo_is_named_with_its_place(text: str, place: str, hint: str) -> None:
    message = refusal(text)
    assert message.startswith(f"vault.toml, {place}: ")
    assert hint in message


def test_a_typo_in_a_password_does_not_show_it() -> None:
    for line in (
        'password = "hunter2',
        "password = hunter2",
        "password hunter2",
        'password = {file = "hunter2"',
    ):
        assert "hunter2" not in refusal(f"[profile.p]\n{line}\nport = 1\n")
    assert "hunter2" not in refusal(profile(password="hunter2"))
    assert "must not be in the file" in refusal(profile(password="hunter2"))


def test_a_file_that_is_not_utf8_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "vault.toml"
    path.write_bytes(b'version = 1\nname = "M\xfcller"\n')
    with pytest.raises(ConfigError, match="line 2, column 10: not UTF-8"):
        load(path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (profile(hostt="x"), ("profile 'p'", "unknown key 'hostt'", "did you mean host?")),
        (profile(zzz=1), ("unknown key 'zzz'", "known: ")),
        (profile(name="q"), ("unknown key 'name'",)),
        ("profil = 1\n", ("unknown key 'profil'", "did you mean profile?")),
        ("[gateway]\nadresses = []\n", ("gateway: unknown key", "did you mean addresses")),
        (profile(port="110"), ("profile 'p'", "port must be a whole number")),
        (profile(port=True), ("port must be a whole number",)),
        (profile(delete="yes"), ("delete must be true or false",)),
        (profile(source="pop"), ("source must be one of gateway, imap, pop3",)),
        (profile(source=None), ("source is missing",)),
        (profile(unknown="drop"), ("unknown must be one of catch-all, leave",)),
        ('domains = "a.example"\n', ("domains must be a list of texts",)),
        ("domains = [1]\n", ("domains must be a list of texts",)),
        ("name = 1\n", ("name must be text",)),
        ("profile = 1\n", ("profile must be a table",)),
        ("profile.p = 1\n", ("[profile.p]",)),
        ("[[profile]]\n", ("profile must be a table",)),
        ('version = "1"\n', ("version must be a whole number",)),
        ("version = true\n", ("version must be a whole number",)),
        ('domains = ["a@b.example"]\n', ("not a mail domain",)),
    ],
)
def test_wrong_keys_and_types_are_named(text: str, parts: tuple[str, ...]) -> None:
    message = refusal(text)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"host": None}, "needs host"),
        ({"host": "pop://gw.example"}, "host must be only a server's name"),
        ({"mailbox": None}, "mailbox is missing"),
        ({"mailbox": "@gw.example"}, "mailbox is missing"),
        ({"mailbox": "a\\r\\nDELE 1"}, "on one line"),
        ({"password": None}, "password is missing"),
        ({"security": "none"}, "unencrypted"),
        ({"security": "none", "host": "127.0.0.1.example"}, "unencrypted"),
        ({"port": 0}, "port must be from 1 to 65535"),
        ({"port": 65536}, "port must be from 1 to 65535"),
        ({"timeout": 0}, "timeout must be"),
        ({"every": -5}, "every must be"),
        ({"fingerprint": "ab:cd"}, "64 hex digits"),
        ({"fingerprint": "g" * 64}, "64 hex digits"),
        ({"source": "imap"}, "needs owner"),
        ({"source": "maildir", "journal": False, "path": "x", "mailbox": None}, "needs owner"),
        ({"source": "maildir"}, "needs path"),
        ({"source": "mbox", "path": "x", "delete": True}, "nothing can be deleted"),
        ({"owner": "anna"}, "owner must be a mail address"),
        ({"tenant": "a b@example.org"}, "tenant must be a mail address"),
        (GRAPH | {"auth": "password"}, "auth must be app or device"),
        (GRAPH | {"auth": "google", "certificate": "k"}, "auth must be app or device"),
        (GRAPH | {"mailbox": None}, "mailbox is missing"),
        (GRAPH | {"mailboxes": ["anna@example.org"]}, "either one mailbox or several"),
        (GRAPH | {"mailboxes": ["anna"], "mailbox": None}, "not a mail address"),
        (GRAPH | {"mailboxes": ["*"], "mailbox": None, "owner": "a@b.example"}, "leave owner out"),
        (GRAPH | {"mailboxes": ["*"], "mailbox": None, "auth": "device"}, 'auth = "app"'),
        (GRAPH | {"client_id": None}, "client_id is missing"),
        (GRAPH | {"journal": True}, "leave journal out"),
        (GRAPH | {"fingerprint": "0a" * 32}, "leave this out"),
        (GRAPH | {"access": "delegate"}, "has no access"),
    ],
)
def test_fields_that_do_not_go_together(fields: dict[str, object], part: str) -> None:
    message = refusal(profile(**fields))
    assert "profile 'p'" in message
    assert part in message


@pytest.mark.parametrize(
    "fields",
    [
        {"security": "none", "host": "127.0.0.9"},
        {"security": "none", "host": "::1"},
        {"security": "none", "host": "LocalHost"},
        {"fingerprint": ":".join(["0A"] * 32)},
        {"fingerprint": "0a" * 32},
        {"source": "imap", "journal": True},
        {"source": "pop3", "owner": "anna@example.org"},
        {"source": "mbox", "path": "x", "delete": False},
        {"source": "spool", "host": None, "mailbox": None, "password": None},
        GRAPH,
        GRAPH | {"host": "graph.microsoft.us", "authority": "https://login.microsoftonline.us"},
        GRAPH | {"mailboxes": ["*"], "mailbox": None, "delete": True, "delete_after": 90},
        GRAPH | {"auth": "device", "password": None, "folders": ["Kunden"]},
        GRAPH | {"password": None, "certificate": "app.pem", "auth": None},
    ],
)
def test_fields_that_go_together(fields: dict[str, object]) -> None:
    (made,) = interpret(profile(**fields), "vault.toml").profiles
    check(made)


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 65, "a/b", "../x"])
def test_names_of_profiles(name: str) -> None:
    assert "can't be named" in refusal(profile().replace("[profile.p]", f'[profile."{name}"]'))


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('listen = "25"', "address:port"),
        ('listen = "0.0.0.0:"', "address:port"),
        ('listen = "0.0.0.0:70000"', "address:port"),
        ('listen = "::1:25"', "address:port"),
        ('listen = ":25"', "address:port"),
        ('listen = "0.0.0.0:25"', "addresses is missing"),
        ('addresses = ["journal"]', "not a mail address"),
        ('networks = ["10.0.0.1/8"]', "not a network"),
        ("size_limit = 0", "size_limit"),
        ('key = "x.pem"', "needs certificate as well"),
    ],
)
def test_a_gateway_that_can_not_work(line: str, part: str) -> None:
    message = refusal(f"[gateway]\n{line}\n")
    assert "gateway" in message
    assert part in message


def test_a_newer_vault_is_refused_without_other_checks() -> None:
    with pytest.raises(VaultError, match="written by a newer Muniment"):
        interpret("version = 2\nholds = []\n", "vault.toml")


def test_a_missing_and_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="muniment init"):
        load(tmp_path / "vault.toml")
    with pytest.raises(VaultError, match="can't be read"):
        load(tmp_path)


@given(st.text(max_size=200) | st.lists(st.sampled_from(re.findall(r"\S+|\s+", GOOD))).map("".join))
@example("a = " + "[" * 5000)
@example("a = " + "9" * 5000)
@example("[profile." + "." * 100 + "]")
def test_any_text_gives_settings_or_one_sentence(text: str) -> None:
    with suppress(ConfigError, VaultError):
        assert interpret(text, "vault.toml").version == 1


def test_properties_do_not_need_other_fields() -> None:
    assert Profile.of("x", "gateway", mailbox="7@h").login == "7"
    assert Profile.of("x", "imap", mailbox="7@h").login == "7@h"
    assert Profile.of("x", "imap", mailbox="7").owner_address == ""


@pytest.mark.parametrize(
    "line", [f"size_limit = {10**30}", f"reserve = {2**63}", f"peer_messages = -{2**63 + 1}"]
)
def test_a_number_that_toml_does_not_have_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="too many digits"):
        interpret(f"version = 1\n[gateway]\n{line}\n", "vault.toml")

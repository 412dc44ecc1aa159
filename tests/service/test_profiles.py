"""Profiles through the engine's requests: versions, stored passwords, new names, and live tests."""

from __future__ import annotations

import logging
import stat
import string
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from muniment import api
from muniment.config.file import load
from muniment.errors import (
    CertificateRefused,
    ConfigError,
    LoginRefused,
    MunimentError,
    SettingsChanged,
    SourceError,
    VaultError,
)
from muniment.service.operations import profile_test
from support.dovecot import Dovecot, Mailbox, require_dovecot
from support.keyrings import memory_keyring
from support.reports import line, plain, report
from support.vaults import TestVault

AWKWARD = "".join(c for c in string.printable if c.isprintable() and not c.isalnum())[:29] + "x7\\"
"""32 characters, quotes, backslashes and a blank among them."""


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    require_dovecot()
    with Dovecot() as server:
        yield server


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    return TestVault(tmp_path / "vault")


def gateway(server: Dovecot, mailbox: Mailbox, **changes: Any) -> dict[str, Any]:
    return {
        "source": "gateway",
        "host": "localhost",
        "port": server.pop3,
        "mailbox": mailbox.name,
        "ca_file": str(server.certificates.authority),
    } | changes


# --- versions ------------------------------------------------------------------------------------


def test_a_change_by_hand_in_between_is_detected(vault: TestVault) -> None:
    vault.profile("box", source="spool")
    read = vault.client.call(api.ListProfiles(), api.Profiles)
    assert read.version == read.profiles[0].version != ""
    assert read.version == vault.client.call(api.ShowProfile(name="box"), api.ProfileWord).version
    path = vault.folder / "vault.toml"
    path.write_text(path.read_text() + "# by hand\n")
    for request in (
        api.PutProfile(name="box", fields={"every": 5}, version=read.version, password="new"),
        api.RenameProfile(name="box", to="crate", version=read.version),
        api.RemoveProfile(name="box", version=read.version),
    ):
        with pytest.raises(SettingsChanged):
            vault.client.call(request, api.Done)
    assert list((vault.folder / "secrets").iterdir()) == []
    now = vault.client.call(api.ListProfiles(), api.Profiles).version
    vault.client.call(api.PutProfile(name="box", fields={"every": 5}, version=now), api.Done)
    assert "# by hand" in path.read_text()


def test_a_draft_is_checked_without_being_saved(vault: TestVault, tmp_path: Path) -> None:
    def problems(name: str, fields: dict[str, Any], new: bool = True) -> dict[str, str]:
        return vault.client.call(api.CheckProfile(name=name, fields=fields, new=new), api.Problems).problems

    vault.profile("box", source="spool")
    assert problems("b2", {"source": "spool"}) == {}
    assert problems("box", {"source": "spool"}, new=False) == {}
    assert list(problems("box", {"source": "spool"})) == ["name"]
    assert list(problems("a b", {"source": "mbox", "path": str(tmp_path / "no.mbox")})) == ["name", "path"]
    assert set(problems("gw", {"source": "gateway", "port": 70000, "host": "a b"})) == {
        "port", "host", "mailbox", "password",
    }  # fmt: skip
    assert list(problems("gw", {"source": "fax"})) == ["source"]
    assert [one.name for one in load(vault.folder / "vault.toml").profiles] == ["box"]


# --- passwords -----------------------------------------------------------------------------------


def test_a_password_is_stored_only_in_the_vault(
    vault: TestVault, dovecot: Dovecot, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mailbox = dovecot.mailbox(password=AWKWARD)
    put = api.PutProfile(name="gw", fields=gateway(dovecot, mailbox), new=True, password=AWKWARD)
    vault.client.call(put, api.Done)
    (kept,) = (vault.folder / "secrets").iterdir()
    assert load(vault.folder / "vault.toml").profiles[0].password == {"file": f"secrets/{kept.name}"}
    assert (stat.S_IMODE(kept.stat().st_mode), stat.S_IMODE(kept.parent.stat().st_mode)) == (0o600, 0o700)
    steps = list(vault.client.stream(api.TestProfile(name="gw")))
    assert isinstance(steps[-1], api.Done)
    others = [path for path in vault.folder.rglob("*") if path.is_file() and path != kept]
    assert len(others) > 2
    for text in (caplog.text, repr(put), str(put), *(path.read_bytes().decode("latin-1") for path in others)):
        assert AWKWARD not in text
        assert msgspec.json.encode(AWKWARD).decode() not in text


def test_a_new_password_replaces_the_old_one(vault: TestVault) -> None:
    secrets = vault.folder / "secrets"
    fields = {"source": "gateway", "host": "h.example", "mailbox": "m"}
    vault.client.call(api.PutProfile(name="gw", fields=fields, new=True, password="one"), api.Done)
    (first,) = secrets.iterdir()
    copied = vault.client.call(api.ListProfiles(), api.Profiles).profiles[0].fields
    vault.profile("copy", source="gateway", **copied)
    vault.client.call(api.PutProfile(name="gw", fields={}, password="two"), api.Done)
    assert first.read_text() == "one\n"  # the copy's still
    vault.client.call(api.PutProfile(name="copy", fields={}, password="three"), api.Done)
    assert sorted(path.read_text() for path in secrets.iterdir()) == ["three\n", "two\n"]
    message = vault.client.call(api.RemoveProfile(name="gw"), api.Done).message
    assert sorted(path.read_text() for path in secrets.iterdir()) == ["three\n", "two\n"]
    assert "Its password stays in file secrets/gw-" in message


@pytest.mark.parametrize("password", ["two\nlines", "nul\0", "x" * 5000, "\ud800"])
def test_an_invalid_password_changes_nothing(vault: TestVault, password: str) -> None:
    fields = {"source": "gateway", "host": "h.example", "mailbox": "m"}
    with pytest.raises(ConfigError, match="must be one line") as caught:
        vault.client.call(api.PutProfile(name="gw", fields=fields, new=True, password=password), api.Done)
    assert password not in str(caught.value)
    assert load(vault.folder / "vault.toml").profiles == ()


def test_a_password_in_the_keyring(vault: TestVault, dovecot: Dovecot) -> None:
    with memory_keyring() as ring:
        mailbox = dovecot.mailbox(password=AWKWARD)
        fields = gateway(dovecot, mailbox)
        put = api.PutProfile(name="gw", fields=fields, new=True, password=AWKWARD, keep="keyring")
        vault.client.call(put, api.Done)
        assert list(ring.kept.values()) == [AWKWARD]
        assert isinstance([*vault.client.stream(api.TestProfile(name="gw"))][-1], api.Done)
        with pytest.raises(ConfigError, match="already"):
            vault.client.call(put, api.Done)
        assert list(ring.kept.values()) == [AWKWARD]


# --- new names -----------------------------------------------------------------------------------


def test_a_renamed_profile_fetches_nothing_twice(vault: TestVault, dovecot: Dovecot) -> None:
    mailbox = dovecot.mailbox()
    message = plain(sender="a@example.com", to=["b@example.com"], subject="one", body="one")
    mailbox.put([report(message, recipients=[line("To", "b@example.com")])])
    fields = gateway(dovecot, mailbox, source="imap", journal=True, port=dovecot.imaps)
    vault.client.call(
        api.PutProfile(name="old", fields=fields, new=True, password=mailbox.password), api.Done
    )
    first = vault.run("old")
    assert (first.listed, first.fetched, first.new) == (1, 1, 1)
    vault.client.call(api.RenameProfile(name="old", to="new"), api.Done)
    again = vault.run("new")
    assert (again.listed, again.fetched, again.already) == (1, 0, 1)


# --- tests ---------------------------------------------------------------------------------------


def tried(
    vault: TestVault, request: api.TestProfile
) -> tuple[list[str], list[api.Certificate], Exception | None]:
    """The steps of a test, the certificates that it saw, and its error."""
    steps: list[str] = []
    certificates: list[api.Certificate] = []
    try:
        for reply in vault.client.stream(request):
            if isinstance(reply, api.Step):
                steps.append(reply.text)
            elif isinstance(reply, api.Certificate):
                certificates.append(reply)
    except MunimentError as error:
        return steps, certificates, error
    return steps, certificates, None


@pytest.mark.parametrize("kind", ["gateway", "pop3", "imap"])
def test_each_step_of_a_test_is_reported(vault: TestVault, dovecot: Dovecot, kind: str) -> None:
    mailbox = dovecot.mailbox(password=AWKWARD)
    mailbox.put([b"Subject: one\r\n\r\none\r\n"] * 2)
    port = {"gateway": dovecot.pop3, "pop3": dovecot.pop3s, "imap": dovecot.imaps}[kind]
    security = "starttls" if kind == "gateway" else "tls"
    fields = gateway(dovecot, mailbox, source=kind, port=port, security=security, owner="a@b.example")
    steps, certificates, error = tried(vault, api.TestProfile(name="draft", fields=fields, password=AWKWARD))
    assert error is None
    complete, found, connected, secured, logged_in, listed = steps
    assert complete.endswith("the password is available")
    assert found.startswith("localhost is ")
    assert connected.endswith(f"port {port}")
    assert secured.startswith(
        f"the connection is secured by {'STLS' if kind == 'gateway' else 'TLS'} (TLSv1."
    )
    assert logged_in == f"logged in as {mailbox.name}"
    assert listed == "listed 2 messages"
    (seen,) = certificates
    assert seen.trusted
    assert not seen.self_signed
    assert "trustme" in seen.issuer
    assert seen.expires > 1_600_000_000
    assert load(vault.folder / "vault.toml").profiles == ()
    assert not (vault.folder / "secrets").exists()


@pytest.mark.parametrize("kind", ["gateway", "imap", "imap-starttls"])
def test_an_untrusted_certificate_can_be_pinned(vault: TestVault, dovecot: Dovecot, kind: str) -> None:
    mailbox = dovecot.mailbox()
    port = {"gateway": dovecot.pop3, "imap": dovecot.imaps, "imap-starttls": dovecot.imap}[kind]
    fields = gateway(
        dovecot, mailbox, source=kind.partition("-")[0], ca_file=None, port=port, owner="a@b.example",
        security="tls" if kind == "imap" else "starttls",
    )  # fmt: skip
    test = api.TestProfile(name="draft", fields=fields, password=mailbox.password)
    _, (seen,), error = tried(vault, test)
    assert isinstance(error, CertificateRefused)
    assert not seen.trusted
    assert mailbox.name not in dovecot.log()
    pinned = msgspec.structs.replace(test, fields=fields | {"fingerprint": seen.fingerprint})
    steps, (seen,), error = tried(vault, pinned)
    assert error is None
    assert seen.trusted
    assert steps[-1] == "listed 0 messages"


def test_a_failing_test_reports_the_steps_before(vault: TestVault, dovecot: Dovecot) -> None:
    mailbox = dovecot.mailbox()
    steps, _, error = tried(
        vault, api.TestProfile(name="gw", fields=gateway(dovecot, mailbox), password="wrong")
    )
    assert isinstance(error, LoginRefused)
    assert "wrong" not in str(error)
    assert steps[-1].startswith("the connection is secured")
    steps, _, error = tried(
        vault,
        api.TestProfile(
            name="gw", fields=gateway(dovecot, mailbox, host="no-such-host.invalid"), password="x"
        ),
    )
    assert isinstance(error, SourceError)
    assert len(steps) == 1
    assert "no-such-host.invalid" in str(error)


def test_a_local_folder_is_tested(vault: TestVault, tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    (box / "one.eml").write_bytes(b"Subject: one\r\n\r\none\r\n")
    (box / "two.eml").touch()
    (box / "three.eml").touch()
    draft = {"source": "eml", "path": str(box)}
    steps, _, error = tried(vault, api.TestProfile(name="old", fields=draft))
    assert (steps[1:3], error) == ([f"{box} exists", "listed 1 message"], None)
    assert steps[3] in (
        "passed over 2 (each an empty file): three.eml, two.eml",
        "passed over 2 (each an empty file): two.eml, three.eml",
    )


def test_a_sign_in_that_waits_does_not_delay_the_end_of_the_service() -> None:
    ending, go = threading.Event(), threading.Event()

    def waits(say: profile_test.Say) -> None:
        say(api.Step(text="sign in"))
        go.wait(60)

    replies = profile_test.live(waits, ending.is_set)
    assert next(replies) == api.Step(text="sign in")
    threading.Timer(0.2, ending.set).start()
    with pytest.raises(VaultError, match="stopping"):
        next(replies)
    go.set()

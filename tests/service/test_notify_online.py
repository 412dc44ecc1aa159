"""`muniment notify test` and `muniment notify sign-in`, from requests to servers on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import api
from muniment.errors import ConfigError
from support.entra import CLIENT_ID, DIRECTORY, SECRET, Entra
from support.send_mail import DENIED, SendMail
from support.vaults import TestVault

MAILBOX = "alerts@contoso.example"


@pytest.fixture
def entra(tmp_path: Path) -> Iterator[Entra]:
    (tmp_path / "entra").mkdir()
    with Entra(tmp_path / "entra") as running:
        running.person = MAILBOX
        yield running


@pytest.fixture
def graph(entra: Entra) -> Iterator[SendMail]:
    with SendMail(entra, MAILBOX) as running:
        yield running


def vault_with(tmp_path: Path, entra: Entra, graph: SendMail, auth: str) -> TestVault:
    vault = TestVault(tmp_path / "vault")
    secret = vault.folder / "app.secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    password = 'password = { file = "app.secret" }' if auth == "app" else ""
    with (vault.folder / "vault.toml").open("a") as file:
        file.write(
            f'[notify.mail]\nby = "graph"\nhost = "localhost"\nport = {graph.port}\nauth = "{auth}"\n'
            f'login = "{MAILBOX}"\ndirectory = "{DIRECTORY}"\nclient_id = "{CLIENT_ID}"\n{password}\n'
            f'authority = "{entra.authority}"\nca_file = "{entra.certificates.authority}"\n'
            'to = ["ines@harbour.example"]\n'
        )
    return vault


def steps(vault: TestVault) -> list[api.Step]:
    return [reply for reply in vault.client.stream(api.TestNotify()) if isinstance(reply, api.Step)]


def test_an_application_sends_by_graph(tmp_path: Path, entra: Entra, graph: SendMail) -> None:
    vault = vault_with(tmp_path, entra, graph, "app")
    assert steps(vault) == [api.Step(text="mail by localhost: sent", ok=True)]
    assert graph.mails[0]["To"] == "ines@harbour.example"
    graph.refusals.append(DENIED)
    (step,) = steps(vault)
    assert not step.ok
    assert "403 ErrorAccessDenied): Access is denied. Check credentials and try again." in step.text
    with pytest.raises(ConfigError, match="needs no sign-in"):
        list(vault.client.stream(api.SignIn(notify=True)))


def test_a_person_signs_in_and_then_it_sends(tmp_path: Path, entra: Entra, graph: SendMail) -> None:
    vault = vault_with(tmp_path, entra, graph, "device")
    (step,) = steps(vault)
    assert "muniment notify sign-in" in step.text
    for reply in vault.client.stream(api.SignIn(notify=True)):
        if isinstance(reply, api.Step):
            entra.approve(reply.text.rstrip(".").rpartition(" ")[2])
    assert steps(vault)[0].ok
    assert len(graph.mails) == 1

"""Access tokens: requested with MSAL, cached, renewed, and sent to real IMAP and POP3 servers."""

from __future__ import annotations

import base64
import json
import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from muniment.errors import ConfigError, LoginRefused
from muniment.net.oauth import TokenGrant, oauthbearer, sign_in, tokens, xoauth2
from muniment.net.retry import TransientError
from muniment.sources.base import FetchedItem
from muniment.sources.endpoint import ServerEndpoint
from muniment.sources.factory import open_source
from support.dovecot import Dovecot, dovecot_version, require_dovecot
from support.dovecot_conf import oauth
from support.endpoints import endpoint_for
from support.entra import CLIENT_ID, DIRECTORY, SECRET, Entra


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entra]:
    with Entra(tmp_path_factory.mktemp("entra")) as running:
        yield running


@pytest.fixture
def entra(authority: Entra) -> Entra:
    authority.asked.clear()
    authority.fail.clear()
    authority.lifetime = 3600
    return authority


def grant(entra: Entra, **other: Any) -> TokenGrant:
    asked = TokenGrant(
        way="app",
        scopes=("https://outlook.office365.com/.default",),
        directory=DIRECTORY,
        client_id=CLIENT_ID,
        secret=SECRET,
        authority=entra.authority,
        ca_file=str(entra.certificates.authority),
    )
    return replace(asked, **other)


def test_an_application_has_one_token_until_it_is_renewed(entra: Entra) -> None:
    had = tokens(grant(entra))
    first = had.token()
    assert had.token() == first
    assert entra.asked["client_credentials"] == 1
    assert had.token(renew=True) != first
    assert entra.good(first)


def test_an_application_can_have_a_certificate_instead_of_a_secret(entra: Entra, tmp_path: Path) -> None:
    pem = tmp_path / "app.pem"
    rsa = trustme.KeyType.RSA
    trustme.CA(key_type=rsa).issue_cert(
        "app.example", key_type=rsa
    ).private_key_and_cert_chain_pem.write_to_path(str(pem))
    assert entra.good(tokens(grant(entra, secret=None, certificate=pem)).token())


def test_an_invalid_certificate_is_named(entra: Entra, tmp_path: Path) -> None:
    pem = tmp_path / "app.pem"
    pem.write_bytes(entra.certificates.key.read_bytes() + entra.certificates.certificate.read_bytes())
    with pytest.raises(ConfigError, match="must hold a certificate and its private RSA key"):
        tokens(grant(entra, secret=None, certificate=pem)).token()
    with pytest.raises(ConfigError, match="can't be read"):
        tokens(grant(entra, secret=None, certificate=tmp_path / "none")).token()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"secret": "wrong"}, "AADSTS7000215"),
        ({"client_id": "0-0"}, "AADSTS700016"),
        ({"directory": "nobody.example"}, "knows no directory"),
    ],
)
def test_a_refusal_is_explained_without_the_secret(
    entra: Entra, wrong: dict[str, str], sentence: str
) -> None:
    with pytest.raises(LoginRefused, match=sentence) as refused:
        tokens(grant(entra, **wrong)).token()
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(grant(entra))


@pytest.mark.parametrize("echo", [f"bad {SECRET}", SECRET * 40, "\x1b[31minvalid", "x" * 500, ["invalid"]])
def test_an_error_that_is_not_a_code_is_not_shown(entra: Entra, echo: object) -> None:
    entra.fail.append((400, {"error": echo, "error_description": f"secret was {SECRET}"}))
    with pytest.raises(LoginRefused, match=r"\(no reason given\)") as refused:
        tokens(grant(entra)).token()
    assert SECRET not in str(refused.value)


def test_temporary_errors_are_passing(entra: Entra) -> None:
    entra.fail.append((503, {"error": "temporarily_unavailable"}))
    with pytest.raises(TransientError, match="run again later"):
        tokens(grant(entra)).token()
    assert entra.good(tokens(grant(entra)).token())
    with pytest.raises(TransientError, match="can't be reached"):
        tokens(grant(entra, authority="https://localhost:9")).token()


def test_a_person_signs_in_with_a_code_once(entra: Entra, tmp_path: Path) -> None:
    cache = tmp_path / "secrets" / "anna.json"
    asked = grant(entra, way="device", secret=None, scopes=("https://mail/IMAP",), cache=cache)
    with pytest.raises(LoginRefused, match="no one has signed in"):
        tokens(asked).token()
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text)
        entra.approve(re.findall(r"code (\w+)", text)[0])

    sign_in(asked, say)
    assert "https://microsoft.com/devicelogin" in lines[0]
    assert cache.stat().st_mode & 0o777 == 0o600
    later = tokens(asked)
    first = later.token()
    assert later.token() == first
    assert later.token(renew=True) != first
    assert entra.asked["refresh_token"] == 1
    entra.fail.append((400, {"error": "invalid_grant", "error_codes": [50173]}))
    with pytest.raises(LoginRefused, match=r"sign-in has ended \(invalid_grant AADSTS50173\)"):
        later.token(renew=True)
    cache.write_text("garbage")
    with pytest.raises(LoginRefused, match="no one has signed in"):
        tokens(asked).token()


def test_google_needs_a_key_file(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "service_account"}))
    with pytest.raises(ConfigError, match="not a readable key file of a Google service account"):
        tokens(TokenGrant("google", ("x",), certificate=key, person="a@b")).token()


def test_sasl_responses_match_their_documents() -> None:
    assert xoauth2("a@b", "T") == b"user=a@b\x01auth=Bearer T\x01\x01"
    assert oauthbearer("a,=@b", "T", "h", 993) == (
        b"n,a=a=2C=3D@b,\x01host=h\x01port=993\x01auth=Bearer T\x01\x01"
    )


# --- a real server that checks the tokens ------------------------------------------------------


@pytest.fixture(scope="module", params=["xoauth2", "oauthbearer"])
def mechanism(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def keys_folder() -> Iterator[Path]:
    """A folder that the server's own users can read, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="muniment-oauth-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def server(authority: Entra, mechanism: str, keys_folder: Path) -> Iterator[Dovecot]:
    """A Dovecot that accepts only the authority's tokens."""
    require_dovecot()
    folder = keys_folder
    keys = folder / "keys" / "double" / "HS256"
    keys.mkdir(parents=True, exist_ok=True)
    (keys / "one").write_bytes(base64.b64encode(authority.key))
    extra = oauth(dovecot_version(), folder, mechanism)
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    with Dovecot(extra=extra) as running:
        yield running


@pytest.fixture(params=["imap", "pop3"])
def endpoint(request: pytest.FixtureRequest, server: Dovecot, entra: Entra, tmp_path: Path) -> ServerEndpoint:
    mailbox = server.mailbox()
    entra.person = mailbox.name
    mailbox.put([b"Subject: %d\r\n\r\nx\r\n" % n for n in range(5)])
    made: ServerEndpoint = endpoint_for(
        kind=request.param,
        work=tmp_path / "work",
        host="localhost",
        port=server.imaps if request.param == "imap" else server.pop3s,
        security="tls",
        ca_file=str(server.certificates.authority),
        mailbox=mailbox.name,
        timeout=20,
        tokens=tokens(grant(entra)),
    )
    return made


def test_a_mailbox_is_opened_with_a_token(endpoint: ServerEndpoint) -> None:
    source = open_source(endpoint)
    source.connect()
    answers = list(source.fetch(list(source.listing())))
    assert sum(isinstance(answer, FetchedItem) for answer in answers) == 5
    source.close()


class _Old:
    """Supplies an expired token until it is asked to renew it."""

    def __init__(self, entra: Entra, person: str) -> None:
        self.given = [entra.token(person, lifetime=-60), entra.token(person)]
        self.renewed = 0

    def token(self, renew: bool = False) -> str:
        self.renewed += renew
        return self.given[1 if self.renewed else 0]


def test_a_token_that_has_run_out_is_renewed(endpoint: ServerEndpoint, entra: Entra) -> None:
    old = _Old(entra, endpoint.mailbox)
    source = open_source(replace(endpoint, tokens=old))
    source.connect()
    assert len(list(source.listing())) == 5
    assert old.renewed == 1
    source.close()


def test_a_token_for_another_person_is_refused(endpoint: ServerEndpoint, entra: Entra) -> None:
    entra.person = "somebody@else.example"
    source = open_source(endpoint, sleep=lambda _: None)
    with pytest.raises(LoginRefused, match="refused the token"):
        source.connect()
    assert entra.asked["client_credentials"] == 2


def test_many_threads_share_one_token(entra: Entra) -> None:
    had = tokens(grant(entra))
    first = had.token()
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(had.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {first}

"""Notifications by mail with OAuth 2: XOAUTH2 at a relay, and sendMail of Graph."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trustme

from muniment.config.model import NotifyMail, NotifySection
from muniment.net.oauth import sign_in
from muniment.notify.online import SCOPES, notify_grant, post
from muniment.notify.telling import NotifyFailed
from muniment.notify.ways import ways
from notify.test_ways import EVENT, ORIGIN
from support import send_mail
from support.certs import ServerCertificate, server_certificate
from support.entra import CLIENT_ID, DIRECTORY, SECRET, Entra
from support.listeners import OAuthRelay, Relay
from support.send_mail import SendMail

MAILBOX = "alerts@contoso.example"


@pytest.fixture
def certificate(tmp_path: Path) -> ServerCertificate:
    return server_certificate(tmp_path / "tls")


@pytest.fixture
def entra(tmp_path: Path) -> Iterator[Entra]:
    (tmp_path / "entra").mkdir()
    with Entra(tmp_path / "entra") as running:
        running.person = MAILBOX
        yield running


@pytest.fixture
def relay(certificate: ServerCertificate, entra: Entra) -> Iterator[OAuthRelay]:
    with OAuthRelay(certificate, MAILBOX, entra.good) as running:
        yield running


@pytest.fixture
def graph(entra: Entra) -> Iterator[SendMail]:
    with SendMail(entra, MAILBOX) as running:
        yield running


@pytest.fixture
def base(tmp_path: Path, entra: Entra, certificate: ServerCertificate) -> NotifyMail:
    """An application with a secret; both authorities are trusted like a system's."""
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "secret").chmod(0o600)
    both = certificate.authority.read_text() + entra.certificates.authority.read_text()
    (tmp_path / "authorities.pem").write_text(both)
    return NotifyMail(
        login=MAILBOX,
        auth="app",
        directory=DIRECTORY,
        client_id=CLIENT_ID,
        password={"file": "secret"},
        authority=entra.authority,
        ca_file=str(tmp_path / "authorities.pem"),
        to=("ines@harbour.example", "ops@harbour.example"),
    )


@pytest.fixture
def by_relay(base: NotifyMail, relay: OAuthRelay) -> NotifyMail:
    return msgspec.structs.replace(base, host="127.0.0.1", port=relay.port)


@pytest.fixture
def by_graph(base: NotifyMail, graph: SendMail) -> NotifyMail:
    return msgspec.structs.replace(base, by="graph", host="localhost", port=graph.port)


def send(mail: NotifyMail, folder: Path) -> None:
    (way,) = ways(NotifySection(mail=mail), folder)
    way.send(EVENT, ORIGIN)


def refused(mail: NotifyMail, folder: Path) -> str:
    """The error for a notification that could not be sent; it must contain no secret."""
    with pytest.raises(NotifyFailed) as raised:
        send(mail, folder)
    assert SECRET not in str(raised.value)
    return str(raised.value)


# --- XOAUTH2 ------------------------------------------------------------------------------------------


def test_a_relay_gets_a_token(tmp_path: Path, by_relay: NotifyMail, relay: OAuthRelay) -> None:
    send(by_relay, tmp_path)
    (shown,) = relay.strings
    assert shown.startswith(f"user={MAILBOX}\x01auth=Bearer ey")
    assert shown.endswith("\x01\x01")
    (received,) = relay.mails
    assert received["From"] == MAILBOX
    assert relay.recipients == [["ines@harbour.example", "ops@harbour.example"]]


@pytest.mark.parametrize("challenges", [False, True])
def test_a_refused_token_is_renewed_once(
    tmp_path: Path, by_relay: NotifyMail, relay: OAuthRelay, entra: Entra, challenges: bool
) -> None:
    """It is renewed once, and the relay's own text is shown."""
    relay.challenges = challenges
    relay.mailbox = "another@contoso.example"
    sentence = refused(by_relay, tmp_path)
    assert "535 5.7.3 Authentication unsuccessful [DB8PR.prod.outlook.com]" in sentence
    assert "SMTP.SendAsApp" in sentence
    assert len(relay.strings) == 2
    assert entra.asked["client_credentials"] == 2
    assert not any(shown.split("Bearer ")[1][:-2] in sentence for shown in relay.strings)


def test_a_token_that_a_relay_repeats_in_any_form_is_hidden(
    tmp_path: Path, by_relay: NotifyMail, relay: OAuthRelay
) -> None:
    relay.repeats = True
    relay.mailbox = "another@contoso.example"
    sentence = refused(by_relay, tmp_path)
    assert "not these" in sentence
    for shown in relay.strings:
        token = shown.split("Bearer ")[1][:-2]
        forms = (token, *(base64.b64encode(one.encode()).decode() for one in (token, shown)))
        assert not any(form[:60] in sentence for form in forms)


def test_a_token_that_was_revoked_is_replaced(
    tmp_path: Path, by_relay: NotifyMail, relay: OAuthRelay, entra: Entra
) -> None:
    good = entra.good
    relay._good = lambda token: len(relay.strings) > 1 and good(token)
    send(by_relay, tmp_path)
    assert len(relay.mails) == 1


def test_refusals_of_exchange_online_are_explained(
    tmp_path: Path, by_relay: NotifyMail, relay: OAuthRelay
) -> None:
    relay.off = True
    sentence = refused(by_relay, tmp_path)
    assert "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled" in sentence
    assert "Set-CASMailbox" in sentence
    relay.off = False
    sentence = refused(msgspec.structs.replace(by_relay, sender="boss@contoso.example"), tmp_path)
    assert f"554 5.2.252 SendAsDenied; {MAILBOX} not allowed to send as boss@contoso.example" in sentence


def test_a_password_that_exchange_online_no_longer_accepts(
    tmp_path: Path, by_relay: NotifyMail, relay: OAuthRelay
) -> None:
    password = msgspec.structs.replace(by_relay, auth="password", directory="", client_id="")
    sentence = refused(password, tmp_path)
    assert "550 5.7.30 Basic authentication is not supported for Client Submission." in sentence
    assert 'by = "graph"' in sentence


def test_a_relay_without_xoauth2(
    tmp_path: Path, by_relay: NotifyMail, certificate: ServerCertificate
) -> None:
    with Relay(certificate, "x", "y") as plain:
        assert "does not offer" in refused(msgspec.structs.replace(by_relay, port=plain.port), tmp_path)


# --- tokens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ((401, {"error": "invalid_client", "error_codes": [7000215]}), "AADSTS7000215"),
        ((400, {"error": "unauthorized_client", "error_codes": [700016]}), "AADSTS700016"),
        ((400, {"error": "invalid_scope", "error_codes": [70011]}), "AADSTS70011"),
        ((503, {"error": "temporarily_unavailable"}), "can't give a token now"),
    ],
)
def test_why_there_is_no_token_is_explained(
    tmp_path: Path, by_graph: NotifyMail, entra: Entra, answer: tuple[int, dict[str, object]], text: str
) -> None:
    entra.fail.append(answer)
    sentence = refused(by_graph, tmp_path)
    assert sentence.startswith("mail by localhost: ")
    assert text in sentence


def test_an_application_can_have_a_certificate(
    tmp_path: Path, by_relay: NotifyMail, relay: OAuthRelay
) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    leaf = authority.issue_cert("app.contoso.example", key_type=trustme.KeyType.RSA)
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "app.pem"))
    send(msgspec.structs.replace(by_relay, password=None, certificate="app.pem"), tmp_path)
    assert len(relay.mails) == 1


def test_a_person_signs_in(tmp_path: Path, by_relay: NotifyMail, relay: OAuthRelay, entra: Entra) -> None:
    mail = msgspec.structs.replace(by_relay, auth="device", password=None)
    assert "muniment notify sign-in" in refused(mail, tmp_path)
    codes: list[str] = []

    def say(text: str) -> None:
        codes.append(text.rstrip(".").rpartition(" ")[2])
        entra.approve(codes[0])

    sign_in(notify_grant(mail, tmp_path, None), say)
    send(mail, tmp_path)
    assert len(relay.mails) == 1
    entra.revoked.add("the-refresh-token")
    entra.lifetime = -10
    relay._good = lambda token: False
    assert "muniment notify sign-in" in refused(mail, tmp_path)


def test_each_way_has_its_scopes(tmp_path: Path, base: NotifyMail) -> None:
    assert set(SCOPES) == {(by, auth) for by in ("smtp", "graph") for auth in ("app", "device")}
    graph = msgspec.structs.replace(base, by="graph")
    assert notify_grant(graph, tmp_path, None).scopes == ("https://graph.microsoft.com/.default",)
    relay = msgspec.structs.replace(base, host="smtp.office365.com", auth="device")
    assert notify_grant(relay, tmp_path, None).scopes == ("https://outlook.office.com/SMTP.Send",)


# --- Graph --------------------------------------------------------------------------------------------


def test_graph_gets_the_mail_in_base64(tmp_path: Path, by_graph: NotifyMail, graph: SendMail) -> None:
    send(by_graph, tmp_path)
    (received,) = graph.mails
    assert received["From"] == MAILBOX
    assert received["To"] == "ines@harbour.example, ops@harbour.example"
    assert received["Auto-Submitted"] == "auto-generated"
    assert "Second." in received.get_content()


@pytest.mark.parametrize(
    ("refusal", "text"),
    [
        (send_mail.DENIED, "Mail.Send"),
        (send_mail.POLICY, "[RAOP] : Blocked by tenant"),
        (send_mail.NO_USER, "correct login"),
        (send_mail.NO_MAILBOX, "relay"),
        (send_mail.SEND_AS, "sender"),
        (send_mail.THROTTLED, "429 ApplicationThrottled"),
        (send_mail.BAD_BASE64, "400 ErrorMimeContentInvalidBase64String"),
        ((500, "\x1b[2J", "x" * 10_000), "500"),
    ],
)
def test_the_text_of_graph_is_shown(
    tmp_path: Path, by_graph: NotifyMail, graph: SendMail, refusal: tuple[int, str, str], text: str
) -> None:
    graph.refusals.append(refusal)
    sentence = refused(by_graph, tmp_path)
    assert text in sentence
    assert "\x1b" not in sentence
    assert len(sentence) < 1000
    assert graph.mails == []


def test_a_token_that_graph_refuses_is_replaced_once(
    tmp_path: Path, by_graph: NotifyMail, graph: SendMail, entra: Entra
) -> None:
    graph.refusals.append(send_mail.INVALID_TOKEN)
    send(by_graph, tmp_path)
    assert (len(graph.mails), entra.asked["client_credentials"]) == (1, 2)
    graph.refusals += [send_mail.INVALID_TOKEN] * 2
    assert "InvalidAuthenticationToken" in refused(by_graph, tmp_path)


def test_an_unreachable_graph(tmp_path: Path, by_graph: NotifyMail) -> None:
    assert "can't be reached" in refused(msgspec.structs.replace(by_graph, port=1), tmp_path)
    stranger = msgspec.structs.replace(by_graph, ca_file="")
    assert "not trusted" in refused(stranger, tmp_path)


def test_the_double_refuses_unknown_requests(
    tmp_path: Path, by_graph: NotifyMail, graph: SendMail, entra: Entra
) -> None:
    good = {"Authorization": f"Bearer {entra.token(MAILBOX)}", "Content-Type": "text/plain"}
    url = f"https://localhost:{graph.port}/v1.0/users/{MAILBOX}/sendMail"

    def status(url: str, headers: dict[str, str], data: bytes) -> int:
        return post(by_graph, url, headers, data).status

    assert status(url, {}, b"") == 401
    assert status(url, good | {"Content-Type": "application/json"}, b"{}") == 501
    assert status(url.replace("sendMail", "send"), good, b"") == 501
    assert status(url.replace(MAILBOX, "x@y"), good, b"") == 404
    assert status(url, good, b"no base64!") == 400

"""The administrator sees a server's own text: one line of limited length, without controls and secrets."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import LoginRefused, SourceError
from muniment.net.retry import TransientError
from muniment.net.server_text import HIDDEN, LONGEST, quote
from muniment.sources.base import RemarkingSource, Source
from muniment.sources.endpoint import ImapEndpoint
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice
from support.endpoints import endpoint_for
from support.fake_pop3 import FakePop3
from support.imap_double import ImapDouble

PASSWORD = "a secret/word"


def source(kind: str, port: int, work: Path, waits: list[float] | None = None, **more: Any) -> Source:
    endpoint = endpoint_for(
        kind=kind, host="127.0.0.1", port=port, security="none", mailbox="anna", password=PASSWORD,
        work=work, timeout=5, **more,
    )  # fmt: skip
    return open_source(endpoint, sleep=(waits if waits is not None else []).append)


def refusal(kind: str, port: int, work: Path) -> SourceError:
    """The error of a connection."""
    opened = source(kind, port, work)
    with pytest.raises(SourceError) as caught:
        opened.connect()
    opened.close()
    return caught.value


ENCODED = base64.b64encode(f"\0anna\0{PASSWORD}".encode()).decode()
SAID = [
    ("[ALERT] Application-specific password required: https://support.google.com/x (Failure)", LoginRefused),
    ("LOGIN failed: IMAP access is disabled for this user", LoginRefused),
    ("[AUTHENTICATIONFAILED] Authentication failed.", LoginRefused),
    ("[UNAVAILABLE] Temporary authentication failure.", TransientError),
]


@pytest.mark.parametrize("mechanism", ["LOGIN", "AUTHENTICATE"])
@pytest.mark.parametrize(("words", "kind"), SAID)
def test_the_reason_of_a_refused_imap_login_is_shown(
    mechanism: str, words: str, kind: type[SourceError], tmp_path: Path
) -> None:
    capabilities = "IMAP4rev1" + (" AUTH=PLAIN" if mechanism == "AUTHENTICATE" else "")
    with ImapDouble(
        capabilities=capabilities,
        override=lambda command, _: [f"NO {words}"] if command == mechanism else None,
    ) as server:
        error = refusal("imap", server.port, tmp_path)
    assert isinstance(error, kind)
    assert f'("{words}")' in str(error)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("[AUTH] Web login required: https://support.example.com/", LoginRefused),
        ("[SYS/PERM] Your account is not enabled for POP access.", SourceError),
        ("[SYS/TEMP] The mail store is away.", TransientError),
        ("[IN-USE] Another session has it.", TransientError),
        ("chdir Maildir failed", LoginRefused),
    ],
)
def test_the_reason_of_a_refused_pop3_login_is_shown(
    words: str, kind: type[SourceError], tmp_path: Path
) -> None:
    with FakePop3(
        override=lambda c: f"-ERR {words}\r\n".encode() if c.startswith("PASS") else None
    ) as server:
        error = refusal("pop3", server.port, tmp_path)
    assert isinstance(error, kind)
    assert f'("{words}")' in str(error)


@pytest.mark.parametrize(
    "greeting", ["* BYE Too many simultaneous connections", "* NO Too many simultaneous connections"]
)
def test_the_reason_of_a_refusing_greeting_is_shown(greeting: str, tmp_path: Path) -> None:
    with ImapDouble(greeting=greeting) as server:
        error = refusal("imap", server.port, tmp_path)
    assert isinstance(error, TransientError)
    assert '("Too many simultaneous connections")' in str(error)


def test_the_reason_of_a_bye_at_the_login_is_shown(tmp_path: Path) -> None:
    """Courier does this if a mailbox's folder belongs to someone else."""
    words = "[ALERT] Fatal error: Account's mailbox directory is not owned by the correct uid or gid"
    with ImapDouble(override=lambda c, _: [f"* BYE {words}"] if c == "LOGIN" else None) as server:
        error = refusal("imap", server.port, tmp_path)
    assert isinstance(error, TransientError)
    assert f'("{words}")' in str(error)


def test_the_reason_of_a_refusing_pop3_greeting_is_shown(tmp_path: Path) -> None:
    with FakePop3(greeting=b"-ERR Only from our own networks\r\n") as server:
        error = refusal("pop3", server.port, tmp_path)
    assert '("Only from our own networks")' in str(error)


@pytest.mark.parametrize(
    "echoed",
    [PASSWORD, f'LOGIN anna "{PASSWORD}"', base64.b64encode(PASSWORD.encode()).decode(), ENCODED],
)
@pytest.mark.parametrize("kind", ["imap", "pop3"])
def test_a_server_that_repeats_the_password_is_not_quoted_with_it(
    kind: str, echoed: str, tmp_path: Path
) -> None:
    if kind == "imap":
        with ImapDouble(
            override=lambda c, _: [f"NO no such {echoed} here"] if c == "LOGIN" else None
        ) as server:
            error = refusal(kind, server.port, tmp_path)
    else:
        answer = f"-ERR no such {echoed} here\r\n".encode()
        with FakePop3(override=lambda c: answer if c.startswith("PASS") else None) as fake:
            error = refusal(kind, fake.port, tmp_path)
    assert HIDDEN in str(error)
    assert "no such" in str(error)
    assert echoed not in str(error)
    assert PASSWORD not in str(error)


@given(words=st.text(max_size=2000), password=st.text(min_size=1, max_size=20))
def test_a_quote_is_one_clean_line_without_the_password(words: str, password: str) -> None:
    endpoint = ImapEndpoint(kind="imap", work=Path("/"), host="h", mailbox="anna", password=password)
    found = quote(endpoint, f"{words}{password}{words}")
    assert len(found) <= LONGEST + 3
    assert found.isprintable()
    if password.isprintable() and password not in (HIDDEN, "no reason given"):
        assert password not in found.strip('"').replace(HIDDEN, "").replace("no reason given", "").replace(
            "…", ""
        )


@pytest.mark.parametrize(
    "words",
    [
        "\u200b".join(PASSWORD),
        "\u00ad" * 2390 + PASSWORD,
        "\u00ad" * 2395 + f"no {PASSWORD} here",
        f"\r{PASSWORD}\n",
    ],
)
def test_invisible_characters_do_not_reveal_the_password(words: str) -> None:
    endpoint = ImapEndpoint(kind="imap", work=Path("/"), host="h", mailbox="anna", password=PASSWORD)
    found = quote(endpoint, words)
    assert PASSWORD not in found
    assert PASSWORD[:6] not in found


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    long = "x" * 50_000
    with ImapDouble(override=lambda c, _: [f"NO \x1b[31m{long}"] if c == "LOGIN" else None) as server:
        error = str(refusal("imap", server.port, tmp_path))
    assert len(error) < 600
    assert "\x1b" not in error


def test_an_alert_at_a_successful_login_is_a_remark(tmp_path: Path) -> None:
    with ImapDouble(
        override=lambda c, _: ["OK [ALERT] Your password ends tomorrow"] if c == "LOGIN" else None
    ) as server:
        opened = source("imap", server.port, tmp_path, folders=FolderChoice())
        opened.connect()
        list(opened.listing())
        assert isinstance(opened, RemarkingSource)
        assert opened.remarks() == ['the server says "[ALERT] Your password ends tomorrow"']
        opened.close()

"""The room of connections works with any settings of a server, and loads no source."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from muniment import net
from muniment.net.dial import ServerSilent, ServerUnreachable, dial, look_up, lost
from muniment.net.events import ConnectionEvent, Security, ServerConnected
from muniment.net.limits import AnswerLimits
from muniment.net.server_settings import ServerSettings
from muniment.net.server_text import HIDDEN, quote
from muniment.sources.endpoint import ExchangeEndpoint, ImapEndpoint


@dataclass
class Plain:
    """Settings that are no source's."""

    port_number: int
    host: str = "127.0.0.1"
    secured_by: Security = "none"
    speaks_first: bool = False
    fingerprint: str = ""
    ca_file: str = ""
    timeout: float = 5.0
    limits: AnswerLimits = field(default_factory=AnswerLimits)
    mailbox: str = "anna"
    password: str | None = "a secret"
    tokens: object | None = None
    events: list[ConnectionEvent] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port_number}"

    @property
    def on_event(self) -> Callable[[ConnectionEvent], None]:
        return self.events.append


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def test_any_settings_will_do(listener: socket.socket) -> None:
    settings = Plain(port_of(listener))
    with dial(settings) as sock:
        assert sock.gettimeout() == settings.timeout
    assert settings.events == [ServerConnected("127.0.0.1")]
    assert look_up(settings) == ["127.0.0.1"]


def test_an_endpoint_of_a_source_has_these_settings(tmp_path: Path) -> None:
    settings: ServerSettings = ImapEndpoint(kind="imap", work=tmp_path, host="::1")
    assert (settings.address, settings.speaks_first) == ("[::1]:993", True)
    assert not ExchangeEndpoint(kind="graph", work=tmp_path).speaks_first


def test_only_a_server_that_speaks_first_is_waited_for(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muniment.net.dial._speaks_tls", lambda server: pytest.fail("it was asked for TLS"))
    dial(Plain(port_of(listener), timeout=30.0)).close()
    waiting: list[float] = []
    monkeypatch.setattr("muniment.net.dial._speaks_tls", lambda server: waiting.append(server.timeout))
    dial(Plain(port_of(listener), timeout=0.1, speaks_first=True)).close()
    assert waiting == [0.1]


def test_a_port_without_a_server(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()
    with pytest.raises(ServerUnreachable, match=f"127.0.0.1:{port} refuses connections"):
        dial(Plain(port))


def test_how_a_connection_was_lost() -> None:
    settings = Plain(143)
    assert isinstance(lost(settings, TimeoutError()), ServerSilent)
    assert f'ended the session ("not {HIDDEN}")' in str(lost(settings, None, b"not a secret"))


def test_tokens_are_hidden() -> None:
    token = "t" * 80
    assert quote(Plain(143, tokens=object()), f"bad {token}") == f'"bad {HIDDEN}"'
    assert quote(Plain(143), f"bad {token}") == f'"bad {token}"'


def test_the_room_loads_no_source() -> None:
    folder = Path(net.__path__[0])
    imports = ", ".join(f"muniment.net.{path.stem}" for path in folder.glob("[a-z]*.py"))
    script = f"import {imports}, sys; print(*(name for name in sys.modules if name.startswith('muniment')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.split() if "." in name}
    assert rooms == {"net", "errors", "system"}

"""A proxy whose answer to CONNECT does not end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import urllib3

from muniment.net.http_answers import bound_heads

SECONDS = 0.3
LINES = {"slow": (b"X: y\r\n", 0.02), "fast": (b"X: " + b"y" * 1000 + b"\r\n", 0.0)}
"""Header lines that a proxy repeats, and the seconds between two of them."""


@pytest.fixture(params=LINES)
def proxy(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a proxy that sends header lines until its client hangs up."""
    line, pause = LINES[request.param]

    def answer(server: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.0 200 Connection established\r\n")
                while True:
                    connection.sendall(line)
                    time.sleep(pause)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_proxy_that_sends_header_lines_without_end_is_given_up(proxy: int) -> None:
    limit = urllib3.Timeout(connect=SECONDS, read=SECONDS)
    with urllib3.ProxyManager(f"http://127.0.0.1:{proxy}", timeout=limit, retries=False) as pool:
        bound_heads(pool)
        began = time.monotonic()
        with pytest.raises(urllib3.exceptions.HTTPError):
            pool.request("GET", "https://graph.example.com/")
        assert time.monotonic() - began < 100 * SECONDS

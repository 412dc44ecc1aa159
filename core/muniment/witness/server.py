"""The witness as a server (C2SP tlog-witness): `POST /add-checkpoint` and `GET /HASH/checkpoint`."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from muniment.errors import ConfigError, MunimentError, UsageError
from muniment.evidence.witness_request import LARGEST_REQUEST, SIZE_TYPE
from muniment.witness.judge import OTHER_SIZE, judge
from muniment.witness.state import WitnessState

log = logging.getLogger("muniment.witness")

PATIENCE = 30.0
"""Seconds in which a client must have sent its request."""
AT_ONCE = 64
"""Requests that are read at the same time; further ones get 503."""
_HASH = re.compile(r"[0-9a-f]{64}")
_UTF8 = "utf-8"


class WitnessServer:
    """Answers over HTTP for the witness in a folder."""

    def __init__(self, state: WitnessState) -> None:
        self._state = state
        self._busy = 0

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(client_max_size=LARGEST_REQUEST)
        application.router.add_post("/add-checkpoint", self._add)
        application.router.add_get("/{log}/checkpoint", self._show)
        return application

    async def _add(self, request: web.Request) -> web.Response:
        if self._busy >= AT_ONCE:
            return _said(503, "this witness is busy: try again later\n")
        self._busy += 1
        try:
            async with asyncio.timeout(PATIENCE):
                data = await request.read()
            answer = await asyncio.to_thread(judge, self._state, data)
        except TimeoutError:
            return _said(408, "the request did not come in time\n")
        except (MunimentError, OSError) as error:
            log.error("a checkpoint can't be judged: %s", error)
            return _said(500, "this witness can't sign now\n")
        finally:
            self._busy -= 1
        log.info("a checkpoint was answered with %d", answer.status)
        kind = SIZE_TYPE if answer.status == OTHER_SIZE else "text/plain"
        return _said(answer.status, answer.text, kind)

    async def _show(self, request: web.Request) -> web.Response:
        name = request.match_info["log"]
        try:
            note = self._state.last_of(name) if _HASH.fullmatch(name) else None
        except MunimentError as error:
            log.error("a checkpoint can't be shown: %s", error)
            return _said(500, "this witness can't read its checkpoint\n")
        if note is None:
            return _said(404, "this witness has no checkpoint of such a log\n")
        return _said(200, str(note))


def _said(status: int, text: str, kind: str = "text/plain") -> web.Response:
    # A content type with a charset would not be the one that C2SP asks for.
    return web.Response(status=status, body=text.encode(_UTF8), content_type=kind)


def serve(
    state: WitnessState,
    host: str,
    port: int,
    say: Callable[[str], None],
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Serve a witness until SIGTERM or SIGINT.

    Args:
        state: its folder.
        host: the address to listen on.
        port: the port; 0 for any free one.
        say: is called with the line that names the address, once it listens.
        certificate: the certificate for TLS in PEM form; None for plain HTTP.
        key: its private key, if that is in another file.

    Raises:
        MunimentError: the folder has no witness, a file is wrong, or the port can't be opened.
    """
    state.signing_keys()
    state.logs()
    tls = _tls(certificate, key)
    asyncio.run(_run(WitnessServer(state).application(), host, port, say, tls))


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        raise ConfigError(
            f"the certificate {certificate} and its key can't be used: give both in PEM form"
        ) from None
    return context


async def _run(
    application: web.Application,
    host: str,
    port: int,
    say: Callable[[str], None],
    tls: ssl.SSLContext | None,
) -> None:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
        except OSError as error:
            raise UsageError(f"the witness can't listen on {host} port {port}: {error.strerror}") from None
        bound = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        say(f"the witness listens on {'https' if tls else 'http'}://{shown}:{bound}/")
        await stop.wait()
    finally:
        await runner.cleanup()

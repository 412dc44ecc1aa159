"""A TCP proxy in a process of its own, which delays and breaks connections.

    with Proxy(("127.0.0.1", 110), delay=0.05) as proxy:
        connect to proxy.host, proxy.port

`delay` is the added round trip in seconds, half of it in each direction; bandwidth is not limited. A cut
breaks one connection: the next one that meets its condition. Only one cut can be set at a time.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

_READ = 256 * 1024
_IN_TRANSIT = 64
_READING = 5.0
"""Seconds that a client has to read what was sent before a cut."""


class Proxy:
    """Starts the proxy's process; use as a context manager."""

    host = "127.0.0.1"

    def __init__(
        self, target: tuple[str, int], delay: float = 0.0, hide: tuple[bytes, bytes] | None = None
    ) -> None:
        """Set the options. `hide` replaces bytes in the unencrypted answers by others of equal length."""
        options = {"host": target[0], "port": target[1], "delay": delay}
        if hide:
            assert len(hide[0]) == len(hide[1])
            options["hide"] = [part.hex() for part in hide]
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.port = int(self._answer()["port"])

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def cut_after(self, count: int) -> None:
        """Cut a connection once `count` more bytes have come from the server on it."""
        self._say(cut_after=count)

    def cut_every(self, count: int) -> None:
        """Cut every new connection once `count` bytes have come from the server on it.

        The client gets all bytes before the cut, even if it reads slowly.
        """
        self._say(cut_every=count)

    def cut_before(self, pattern: bytes) -> None:
        """Cut when the client sends `pattern`; the server never sees it."""
        self._say(cut_before=pattern.hex())

    def cut_behind(self, pattern: bytes) -> None:
        """Cut when the client sends `pattern`; the server answers, but the client never sees it."""
        self._say(cut_behind=pattern.hex())

    def refuse(self, count: int) -> None:
        """Close the next `count` connections at once."""
        self._say(refuse=count)

    def connections(self) -> int:
        """Number of connections so far."""
        return int(self._say()["connections"])

    def cuts(self) -> int:
        """Number of connections that were cut at a command."""
        return int(self._say()["cuts"])

    def _say(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@dataclass
class _Orders:
    """The orders from standard input: what to do with connections."""

    cut_after: int | None = None
    cut_every: int | None = None
    cut_before: bytes = b""
    cut_behind: bytes = b""
    refuse: int = 0
    connections: int = 0
    cuts: int = 0


class _Cut(Exception):
    """This connection ends now."""


class _Link:
    """One connection through the proxy."""

    def __init__(self, orders: _Orders, delay: float, hide: tuple[bytes, bytes] | None) -> None:
        self._orders = orders
        self._delay = delay / 2
        self._hide = hide
        self._muted = False
        self._left = orders.cut_every

    async def run(self, client: tuple[Any, Any], server: tuple[Any, Any]) -> None:
        pumps = [
            asyncio.ensure_future(self._pump(client[0], server[1], self._from_client)),
            asyncio.ensure_future(self._pump(server[0], client[1], self._from_server)),
        ]
        try:
            await asyncio.gather(*pumps)
        except _Cut:
            if self._left is not None:
                await asyncio.wait(pumps[:1], timeout=_READING)
        except OSError:
            pass
        finally:
            for pump in pumps:
                pump.cancel()
            for _, writer in (client, server):
                writer.transport.abort()

    async def _pump(self, reader: Any, writer: Any, look: Any) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_TRANSIT if self._delay else 1)
        sender = asyncio.ensure_future(self._send(queue, writer))
        clock = asyncio.get_running_loop().time
        try:
            data = b"-"
            while data:
                # In pieces that are small beside the limit, so that something is passed before each cut.
                data = await reader.read(_READ if self._left is None else max(1, self._left // 4))
                try:
                    await queue.put((clock() + self._delay, look(data)))
                except _Cut:
                    if self._left is not None:
                        await queue.put((clock(), b""))
                        await sender
                    raise
                if sender.done():
                    break
            await sender
        finally:
            sender.cancel()

    async def _send(self, queue: asyncio.Queue[tuple[float, bytes]], writer: Any) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await queue.get()
            if (wait := due - clock()) > 0:
                await asyncio.sleep(wait)
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    def _from_client(self, data: bytes) -> bytes:
        orders = self._orders
        if orders.cut_before and orders.cut_before in data:
            orders.cut_before = b""
            orders.cuts += 1
            raise _Cut
        if orders.cut_behind and orders.cut_behind in data:
            orders.cut_behind = b""
            orders.cuts += 1
            self._muted = True
        return data

    def _from_server(self, data: bytes) -> bytes:
        orders = self._orders
        if self._muted:
            raise _Cut
        if orders.cut_after is not None and data:
            orders.cut_after -= len(data)
            if orders.cut_after <= 0:
                orders.cut_after = None
                raise _Cut
        if self._left is not None:
            self._left -= len(data)
            if self._left <= 0:
                raise _Cut
        return data.replace(*self._hide) if self._hide else data


async def _serve(options: dict[str, Any]) -> None:
    orders = _Orders()
    hide = tuple(bytes.fromhex(part) for part in options["hide"]) if "hide" in options else None

    async def accept(reader: Any, writer: Any) -> None:
        orders.connections += 1
        if orders.refuse:
            orders.refuse -= 1
            writer.transport.abort()
            return
        _hasten(writer)
        server = await asyncio.open_connection(options["host"], options["port"], limit=_READ)
        _hasten(server[1])
        await _Link(orders, options["delay"], hide).run((reader, writer), server)  # type: ignore[arg-type]

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, limit=_READ)
    print(json.dumps({"port": listener.sockets[0].getsockname()[1]}), flush=True)
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while line := await stdin.readline():
        for name, value in json.loads(line).items():
            setattr(orders, name, bytes.fromhex(value) if isinstance(value, str) else value)
        print(json.dumps({"connections": orders.connections, "cuts": orders.cuts}), flush=True)
    # The process that started the proxy has ended it, and so all connections end.
    os._exit(0)


def _hasten(writer: Any) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    writer.transport.set_write_buffer_limits(high=8 * _READ)


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.argv[1])))

"""Turns the DATA stream of SMTP into the message's own bytes (RFC 5321 4.5.2)."""

from __future__ import annotations

_END = b"\r\n.\r\n"
_STARTS = tuple(_END[:length] for length in range(len(_END) - 1, 0, -1))


class DotUnstuffer:
    """Takes blocks as they arrive, returns the message's bytes, and finds its end.

    Only CR LF . CR LF ends a message, and only a dot directly after CR LF is removed. Lone CR and LF are
    content like any other byte, so no one can smuggle a second message behind them. It holds back at most
    four bytes.
    """

    def __init__(self) -> None:
        # The line end before the first line was that of the DATA command.
        self._held = b"\r\n"
        self._skip = 2
        self.done = False
        """Whether the end was found."""
        self.rest = b""
        """The bytes after the end: the client's next commands."""

    def feed(self, block: bytes) -> bytes:
        """Take the next block. Returns the message's bytes that are now complete."""
        data = self._held + block
        end = data.find(_END)
        if end >= 0:
            self.done, self.rest = True, data[end + len(_END) :]
            data = data[: end + 2]
        else:
            held = next((len(start) for start in _STARTS if data.endswith(start)), 0)
            self._held = data[len(data) - held :]
            data = data[: len(data) - held]
        body = data.replace(b"\r\n.", b"\r\n")
        if self._skip and body:
            body, self._skip = body[self._skip :], 0
        return body

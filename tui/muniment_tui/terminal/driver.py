"""Reads keys from the terminal so that Esc is never lost.

A terminal sends Alt and a key as Esc and the key. On a slow connection, Esc and the next key of a user arrive
together as well, and Textual takes them for one key with Alt, which nothing here uses: both would be lost, or
another character appear (Esc and 1 become "¡"). So Esc and a character are always two keys.
"""

from __future__ import annotations

import os
import selectors
from codecs import getincrementaldecoder
from collections.abc import Iterable
from contextlib import suppress

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

ESCAPE = "\x1b"
INTRODUCERS = "[O"
"""What follows Esc in the sequences of keys that are no characters."""
ALT_BACKSPACE = "\x7f"
"""Deletes a word in every shell, so it keeps its meaning."""
TERMINATED = 143
"""Exit code of the app after SIGTERM or SIGHUP, or without its terminal; the same as the command line's."""
POLL = 0.1
"""Seconds between two looks at whether the app is about to end."""


class EscapeParser(XTermParser):
    """Textual's parser, which takes Esc and a character for two keys."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        """The keys of a sequence; none if it is not complete."""
        character = _after_escape(sequence)
        if alt or character:
            yield events.Key("escape", ESCAPE)
        yield from super()._sequence_to_key_events(character or sequence)


def _after_escape(sequence: str) -> str:
    """The character that follows an Esc; "" for any other sequence."""
    if len(sequence) != 2 or sequence[0] != ESCAPE or sequence[1] in (*INTRODUCERS, ESCAPE, ALT_BACKSPACE):
        return ""
    return sequence[1]


class TerminalDriver(LinuxDriver):
    """Textual's driver, with this module's parser. The app ends when its terminal is gone."""

    def _read(self) -> tuple[bytes, bool]:
        """What the terminal has sent, and whether it is gone. Linux says so by an empty answer or by EIO."""
        try:
            data = os.read(self.fileno, 4096)
        except OSError:
            data = b""
        return data, not data

    def run_input_thread(self) -> None:
        """Read the terminal until the app ends."""
        parser = EscapeParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            ends = False
            while not ends:
                ends = self.exit_event.is_set()  # what has come by then is still read
                data, gone = self._read() if selector.select(POLL) else (b"", False)
                if gone and not ends:
                    ends = True
                    self._app.call_later(self._app.exit, TERMINATED, TERMINATED)
                for event in parser.feed(text) if (text := decode(data, final=ends)) else ():
                    self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
        with suppress(EOFError, ParseError):
            list(parser.feed(""))

"""Hostile texts of any length, and a measure of how the time of a function grows with them."""

from __future__ import annotations

import functools
import inspect
import sys
import time
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

Make = Callable[[int], bytes]
FAST = 0.005
"""Seconds of processor time that are too short to measure growth."""
_CACHED = 64
"""Results in the smallest cache of what mail contains. Smaller ones keep patterns and tables."""
_Cache = type(functools.lru_cache(len))
_TRIES = 8
"""Measurements before growth counts as too steep, since a busy machine may slow one of the texts."""


def repeated(piece: bytes) -> Make:
    """A maker of text that repeats a piece."""
    return lambda size: piece * max(size // len(piece), 1)


def numbered(piece: bytes) -> Make:
    """The same, with a new number for `%d` in each piece."""
    return lambda size: b"".join(piece % number for number in range(size // (len(piece) + 3)))


def nested(size: int) -> bytes:
    """Multiparts in multiparts. The innermost is never closed."""
    level = b"\r\n--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n"
    return b"--b" + b"".join(level % (number, number + 1) for number in range(size // 55))


def texts_and_pages(size: int) -> bytes:
    """A text of many words, then texts and pages with one new word each, in turn."""
    words = b"\r\n--b\r\n\r\n" + numbered(b"w%d ")(size // 2)
    text, page = b"\r\n--b\r\n\r\nt%d", b"\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>h%d"
    return words + b"".join(text % number + page % number for number in range(size // 140))


def halves(first: bytes, second: bytes) -> Make:
    """A maker of text whose first half repeats one piece, and whose second half repeats another."""
    return lambda size: repeated(first)(size // 2) + repeated(second)(size // 2)


PIECES: dict[str, bytes] = {
    "marks": "\u0315\u0300".encode(),
    "Hebrew points": "\u05b0\u05b9".encode(),
    "letters": b"a",
    "words": b"word ",
    "Chinese": "漢字".encode(),
    "digits": b"9",
    "dates": b"1 ",
    "NULs": b"\0",
    "bad bytes": b"\xff",
    "cut UTF-8": b"\xe0",
    "spaces": b" ",
    "tabs": b"\t",
    "CRs": b"\r",
    "LFs": b"\n",
    "CRLFs": b"\r\n",
    "folds": b"\r\n ",
    "folded words": b"\r\n x",
    "lines of spaces": b" \r\n",
    "lines": b"x\r\n",
    "open angles": b"<",
    "closed angles": b">",
    "nested angles": b"<<>",
    "angles and commas": b"<,",
    "angles and letters": b"<a",
    "routes": b"<@a:",
    "open parentheses": b"(",
    "closed parentheses": b")",
    "comments": b"()",
    "comments with escapes": b"((\\",
    "comments with words": b"(a@b) ",
    "quotes": b'"',
    "quoted words": b'"a" ',
    "quotes and escapes": b'"\\',
    "escapes": b"\\",
    "escaped quotes": b'\\"',
    "commas": b",",
    "semicolons": b";",
    "colons": b":",
    "groups": b"a:b@c;",
    "ats": b"@",
    "letters and ats": b"a@",
    "addresses": b"a@b,",
    "named addresses": b'"a" <b@c>, ',
    "equals": b"=",
    "question marks": b"?",
    "stars": b"*",
    "apostrophes": b"'",
    "percents": b"%41",
    "encoded words": b"=?utf-8?q?x?= ",
    "joined encoded words": b"=?utf-8?q?x?=",
    "open encoded words": b"=?a",
    "open encoded text": b"=?utf-8?b?",
    "languages": b"=?utf-8*en?q?",
    "broken encoded words": b"=?utf-8?b?!?=",
    "parameters": b"; a=b",
    "empty parameters": b"; ",
    "names without values": b"; a",
    "open quoted parameters": b'; a="',
    "escaped parameters": b';a="\\"',
    "extended parameters": b"; name*=utf-8''%41",
    "names and charsets": b"name*=a",
    "boundary": b'boundary="',
    "charsets": b"charset =",
    "traces": b" for <a@b>; ",
    "open traces": b" for a",
    "delimiters": b"\r\n--b\r\n",
    "bare delimiters": b"--b\n",
    "false delimiters": b"x--b",
    "almost delimiters": b"\r\n--bb",
    "closing delimiters": b"\r\n--b--\r\n",
    "false closing delimiters": b"x--b--",
    "delimiters and spaces": b"\r\n--b   ",
    "dashes": b"-",
    "nested, one boundary": b"\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
    "attachments": b"\r\n--b\r\nContent-Disposition: attachment; filename=x\r\n\r\nx",
    "HTML parts": b"\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>a<p>b",
    "returned messages": b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n",
    "nested messages": b"Content-Type: message/rfc822\r\n\r\n",
    "encoded messages": b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    "fields": b"To: a@example.com\r\n",
    "transport fields": b"Received: from a by b for <c@d>; x\r\n",
    "almost transport fields": b"X-MS-Exchange-x\r\n",
    "mbox lines": b"From \r\n",
    "lines that are no fields": b"nothing here\r\n",
    "recipients": b"To: a@b, Expanded: c@d\r\n",
    "expansions": b", Expanded: c@d",
    "recipient blocks": b"Recipients:\r\n",
    "journal markers": b"X-MS-Journal-Report:\r\n",
    "base64": b"QUJD",
    "base64 lines": b"QUJDQUJDQUJD\r\n",
    "padding": b"Q=",
    "soft breaks": b"=\r\n",
    "escaped bytes": b"=3D",
    "soft breaks by CR": b"=\r",
    "open tags": b"<a ",
    "nested tags": b"<div>",
    "end tags": b"</div>",
    "open attributes": b'<a b="',
    "attributes": b" a=b",
    "HTML comments": b"<!--",
    "comment ends": b"-->",
    "comment dashes": b"<!-- -",
    "scripts": b"<script>",
    "almost script ends": b"<script></scrip",
    "text areas": b"<textarea></textarea>",
    "images": b"<svg>",
    "tables": b"<table><tr><td>",
    "rows": b"<tr><td>x<td>y",
    "spans": b"<td colspan=9 rowspan=9>x",
    "lists": b"<ul><li>x",
    "quotes in HTML": b"<blockquote>x<p>",
    "links in HTML": b"<a href=//x>y</a>z",
    "quoted lines": b">> x\n",
    "CDATA": b"<![CDATA[",
    "ampersands": b"&",
    "entities": b"&nbsp;",
    "open entities": b"&a",
    "numbers of characters": b"&#1",
    "zeros": b"&#0",
    "escape sequences": b"\x1b[",
    "escape strings": b"\x1b]",
    "8-bit escape strings": "\x9d".encode(),
    "shifts": b"\x1b$B\x1b(B",
    "UTF-7": b"+",
    "HZ": b"~{",
    "wildcards": b"a* ",
    "operators": b"a OR ",
    "negations": b"-",
    "field names": b"from:",
    "CSV": b'"a","b",\n',
}  # fmt: skip
MAKERS: dict[str, Make] = {
    **{name: repeated(piece) for name, piece in PIECES.items()},
    "numbered words": numbered(b"w%d "),
    "numbered pieces of a parameter": numbered(b"; name*%d=x"),
    "numbered pieces, encoded": numbered(b"; name*%d*=x"),
    "numbered parameters": numbered(b"; a%d=x"),
    "numbered fields": numbered(b"X-%d: x\r\n"),
    "numbered addresses": numbered(b"u%d@example.com, "),
    "nested multiparts": nested,
    "texts and pages": texts_and_pages,
    "parentheses, both": halves(b"(", b")"),
    "angles, both": halves(b"<", b">"),
    "quotes, then escapes": halves(b'"', b'\\'),
    "one parameter of many spaces": halves(b"; a", b" "),
    "marks of two classes": halves("\u0315".encode(), "\u0300".encode()),
    "tags, then ends": halves(b"<b>", b"</i></b>"),
    "delimiters, then false ones": halves(b"\r\n--b\r\n", b"x--b"),
    "false delimiters, then true ones": halves(b"x--b", b"\r\n--b\r\n"),
}  # fmt: skip


def functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Every public function that a module of muniment defines, with its name from below `muniment.` on."""
    for name, value in vars(module).items():
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and name[0] != "_":
            yield f"{module.__name__.removeprefix('muniment.')}.{name}", value


@functools.lru_cache(maxsize=1)
def caches(modules: int) -> tuple[functools._lru_cache_wrapper[Any], ...]:
    """Every cache of the program for what mail contains, such as addresses and dates.

    `modules` is the number of modules that are loaded: a new one may have another cache.
    """
    return tuple({id(cache): cache for cache in _caches()}.values())


def _caches() -> Iterator[functools._lru_cache_wrapper[Any]]:
    for name, module in list(sys.modules.items()):
        if not name.startswith("muniment."):
            continue
        for value in list(vars(module).values()):
            closure = getattr(value, "__closure__", None) or ()
            for found in (value, *(cell.cell_contents for cell in closure)):
                if isinstance(found, _Cache) and (found.cache_info().maxsize or 0) >= _CACHED:
                    yield found


def seconds(function: Callable[[bytes], object], text: bytes) -> float:
    """Processor time that a call takes with empty caches.

    A text that fits in the caches takes no time when it is read again, and one that does not fit takes
    all of it.
    """
    for cache in caches(len(sys.modules)):
        cache.cache_clear()
    started = time.process_time()
    function(text)
    return time.process_time() - started


def too_steep(function: Callable[[bytes], object], make: Make, size: int) -> str:
    """ "" if four times the text takes less than nine times as long, otherwise the measured times.

    n log n takes less than five times as long, n squared sixteen times. A function that takes no time at
    `size` passes.
    """
    large = make(size)
    slow = seconds(function, large)
    if slow < FAST:
        return ""
    small = make(size // 4)
    quick = seconds(function, small)
    for _ in range(_TRIES):
        if slow < FAST or slow < 9 * quick:
            return ""
        # Four calls take as long as one with four times the text, so a busy machine disturbs both alike.
        quick = sum(seconds(function, small) for _ in range(4)) / 4
        slow = seconds(function, large)
    return f"{len(small):,} bytes take {quick:.4f} s, {len(large):,} bytes {slow:.4f} s"

"""ASCII in place of other characters, for a terminal that can't draw them.

The app draws frames, signs and charts with Unicode. A locale with another charset, such as `LC_ALL=C`, says
that the terminal can't show it. The console of Linux shows letters of many languages, but has neither
rounded corners nor braille.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import get_character_cell_size

SIGNS = {
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
    **dict.fromkeys("─━═·−—–╴╶", "-"),
    **dict.fromkeys("│┃║╷╵", "|"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("→▶▸›", ">"),
    **dict.fromkeys("↓▾✓", "v"),
    **dict.fromkeys("●•", "*"),
    **dict.fromkeys("░▒…", "."),
    "←": "<",
    "↑": "^",
    "✗": "x",
    "■": "#",
    "○": "o",
    "▓": "#",
    "📎": "@ ",
}
"""The app's own characters."""
LEVELS = " .:|#"
"""A cell of a chart, by its highest row of dots."""
_BRAILLE = range(0x2800, 0x2900)
_BLOCKS = range(0x2581, 0x2590)
_TOPS = (0x09, 0x12, 0x24, 0xC0)
"""The bits of each row of dots in a braille character, from the top."""


def charset_is_unicode(environment: Mapping[str, str]) -> bool:
    """Whether the locale's charset is UTF-8. An environment without a locale counts as such."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := environment.get(name, ""):
            return "utf-8" in value.lower() or "utf8" in value.lower()
    return True


def few_glyphs(environment: Mapping[str, str]) -> bool:
    """Whether the terminal's font lacks the app's signs."""
    return environment.get("TERM", "") in ("linux", "cons25") or environment.get("TERM", "").startswith("vt")


def plain_signs(text: str, *, letters: bool = True) -> str:
    """`text` with ASCII for the app's signs and charts, in the same number of cells.

    With `letters=False`, every other character that is not ASCII becomes "?".
    """
    if text.isascii():
        return text
    return "".join(_plain(char, letters) for char in text)


def _plain(char: str, letters: bool) -> str:
    code = ord(char)
    if code < 128:
        return char
    if char in SIGNS:
        return SIGNS[char]
    if code in _BRAILLE:
        top = next((row for row, bits in enumerate(_TOPS) if code & bits), 4)
        return LEVELS[4 - top]
    if code in _BLOCKS:
        return "#" if code >= 0x2584 else "."
    return char if letters else "?" * get_character_cell_size(char)

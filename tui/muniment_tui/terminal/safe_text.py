"""Makes text safe for the screen: it passes the sanitiser and is never read as markup.

Text from mail or from the service is a `str` until it passes here. Afterwards it is a `Content`, or the plain
text of a cell. The app's own widgets accept only `Content` (see `widgets.text`).
"""

from __future__ import annotations

from textual.content import Content

from muniment.system.sanitise import clean, filename

__all__ = ["block", "clean", "filename", "joined", "shown"]


def shown(text: str, style: str = "") -> Content:
    """One harmless line; line ends become spaces. `style` is a Textual style, such as "bold $error"."""
    return Content(clean(text)) if not style else Content.styled(clean(text), style)


def block(text: str, style: str = "") -> Content:
    """Harmless text of several lines."""
    safe = clean(text, newline=True)
    return Content(safe) if not style else Content.styled(safe, style)


def joined(*parts: Content | tuple[str, str], gap: str = "") -> Content:
    """Pieces in a row, separated by `gap`. A pair is (text, style), and its text is made harmless."""
    return Content(gap).join([part if isinstance(part, Content) else shown(*part) for part in parts])

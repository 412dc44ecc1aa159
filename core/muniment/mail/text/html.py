"""HTML to text, for the index and for readers.

What is decided here, and why:
- One regular expression cuts the document into tags, comments and text, as the HTML standard does it
  (13.2.5, tokenization). No tree is built: the sender chooses its shape, which can cost a parser much memory
  or crash native code, and the words and their order are there without it.
- Hidden text (`display:none`, font size 0, the `hidden` attribute, `template`) is kept. Otherwise readers
  could see one text and the search another, and what one program hides, the next one shows. Where programs
  differ on whether something is text, it is text.
- Scripts, styles, titles and comments are not text. Nothing remote is fetched, nothing is run.
- The targets of links are no text: `link_targets` gives them. Alternative texts of images are left out.
- Elements that begin a line become line breaks; all other white space is one space, as in a browser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html import unescape

from muniment.mail.patterns import any_of
from muniment.mail.text.links import LINKS, TARGET_LIMIT, is_target

LIMIT = 1024 * 1024
"""Characters of a document that are read."""
_LINE = (
    *("p", "div", "br", "tr", "li", "ul", "ol", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("table", "td", "th", "caption", "blockquote", "pre", "hr", "center", "section", "article"),
    *("header", "footer", "main", "aside", "nav", "address", "form", "fieldset", "option"),
    *("figure", "figcaption", "body", "title"),
)
"""Elements that begin a line, and end it."""
_NOT_TEXT = ("script", "style", "noembed", "noframes", "iframe")
"""Elements that contain no tags, and no text to read. So does `title`, which also begins a line."""
_VERBATIM = ("textarea", "xmp")
"""Elements whose content is text even if it looks like tags or comments."""

_AFTER_NAME = r"(?=[\t\n\r />])"
_ATTRIBUTES = (
    # Names and values, up to the `>` or the document's end. A value is quoted if a quote follows the `=`.
    r"(?:[\t\n\r /]++|(?:=[^\t\n\r />=]*+|[^\t\n\r />=]++)"
    r"(?:[\t\n\r ]*+=[\t\n\r ]*+(?:\"[^\"]*+\"?+|'[^']*+'?+|[^\t\n\r >\"'][^\t\n\r >]*+|))?+)*+>?+"
)
# No lookahead may be in a possessive group. Before 3.11.5 (Debian 12 has 3.11.2), Python continues behind
# what a failed lookahead saw, and takes text for a comment: https://github.com/python/cpython/issues/106052
_COMMENT = r"!--(?:-?>|[\s\S]*?(?:--!?>|\Z))"
_BOGUS = r"[!?][^>]*+>?+|/(?:>|[^>a-zA-Z][^>]*+>?+)"
"""Declarations, and what the standard calls bogus comments."""


def _start(name: str) -> str:
    return any_of([name]) + _AFTER_NAME + _ATTRIBUTES


def _content(name: str) -> str:
    """Matches up to the end tag of an element that contains no tags, or up to the document's end."""
    return rf"[\s\S]*?(?=</{any_of([name])}[\t\n\r />]|\Z)"


_LINE_TAG = f"/?+{any_of(_LINE)}{_AFTER_NAME}{_ATTRIBUTES}"
_OTHER = rf"/?+[a-zA-Z][^\t\n\r />]*+{_ATTRIBUTES}|{_COMMENT}"
_TOKEN = re.compile(
    "<(?:"
    + "|".join(_start(name) + _content(name) for name in _NOT_TEXT)
    + f"|({_start('title')}{_content('title')}|{_LINE_TAG})|"
    + "|".join(f"{_start(name)}({_content(name)})" for name in _VERBATIM)
    + rf"|{_start('plaintext')}([\s\S]*+)|({any_of(['svg', 'math'])}{_AFTER_NAME}[\s\S]*+)|{_OTHER}|{_BOGUS})"
)
"""Everything that is no text. Groups: what begins a line; contents that are text without further reading; SVG
and MathML."""
_GROUPS = 5
_LINE_GROUP, _FOREIGN_GROUP = 1, 5
_LINK = re.compile(f"<{any_of(['a', 'area', 'form'])}{_AFTER_NAME}{_ATTRIBUTES}")
_TARGET = re.compile(
    rf"[\t\n\r /\"']{any_of(['href', 'action'])}[\t\n\r ]*+=[\t\n\r ]*+"
    r"(?:\"([^\"]{1,4000})|'([^']{1,4000})|([^\t\n\r >\"'][^\t\n\r >]{0,4000}))"
)
_NO_BLANKS = str.maketrans("", "", "\t\n\r")
_PRE = re.compile(f"<{any_of(['pre'])}{_AFTER_NAME}")
_ZEROS = re.compile(r"&#([xX]?)0+(?=[0-9a-fA-F])")
_TOO_LARGE = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")
"""Character references beyond Unicode. Those of thousands of digits can't be read as numbers."""


def to_text(html: str) -> str:
    """The text of a document, one line a block, of at most its first LIMIT characters. Never raises."""
    return lines_of(raw_text(html))


def raw_text(html: str) -> str:
    r"""The words of a document in order, with "\f" where a line ends, and any white space. Never raises.

    Time and memory are linear in its length.
    """
    html = html[:LIMIT].replace("\f", " ").replace("\0", " ")
    preformatted = _PRE.search(html) is not None
    if preformatted:
        html = html.replace("\r", "\n")
    text = _decoded(_without_tags(html))
    return text.replace("\n", "\f") if preformatted else text


def link_targets(html: str) -> list[str]:
    """The targets of a document's links and forms, each once, at most LINKS. Never raises; linear in time."""
    found: dict[str, None] = {}
    for tag in _LINK.finditer(html[:LIMIT]):
        if is_target(target := target_of(tag[0])):
            found[target] = None
        if len(found) >= LINKS:
            break
    return list(found)


def target_of(tag: str) -> str:
    """The target that a tag states, at most TARGET_LIMIT characters of it; "" for none."""
    stated = _TARGET.search(tag)
    if stated is None:
        return ""
    written = stated[stated.lastindex or 0]
    if not written.isprintable():
        written = written.translate(_NO_BLANKS)
    return unescape(written).strip()[:TARGET_LIMIT]


def tokens(html: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the text and the tags of a document in order, of at most its first LIMIT characters.

    The texts are those of `raw_text`, and the tags that begin a line there are the same. Never raises.

    Yields:
        The decoded text up to a tag; the tag, which is "" behind the last text and may be a comment; and
        whether the tag begins a line.
    """
    html = html[:LIMIT].replace("\f", " ").replace("\0", " ")
    at = 0
    for found in _TOKEN.finditer(html):
        before, at = html[at : found.start()], found.end()
        if found.lastindex == _FOREIGN_GROUP:
            yield _decoded(before), "", False
            yield from _foreign_tokens(f"<{found[_FOREIGN_GROUP]}")
            return
        yield _decoded(before), found[0], found.lastindex == _LINE_GROUP
        if found.lastindex not in (None, _LINE_GROUP):  # a text that contains no tags
            yield _decoded(found[found.lastindex or 0]), "", False
    yield _decoded(html[at:]), "", False


def _foreign_tokens(html: str) -> Iterator[tuple[str, str, bool]]:
    at = 0
    for found in _foreign_token().finditer(html):
        yield _decoded(html[at : found.start()]), found[0], found.lastindex == _LINE_GROUP
        at = found.end()
    yield _decoded(html[at:]), "", False


def _without_tags(html: str) -> str:
    r"""The text, with "\f" where a line ends, and "\0" in place of any other tag."""
    pieces = _pieces(_TOKEN, _GROUPS, html)
    if len(pieces) > 1 and (foreign := pieces[-2]):
        pieces[-2:] = _pieces(_foreign_token(), 1, f"<{foreign}")
    return "".join(filter(None, pieces))


@cache
def _foreign_token() -> re.Pattern[str]:
    """Matches everything that is no text, from the first SVG or MathML on.

    In these, elements of any name contain tags and text, and CDATA is text. Where they end depends on the
    tree, so it is not known here. Few mails have any, and it takes long to compile.
    """
    return re.compile(rf"<(?:({_LINE_TAG})|{_OTHER}|!\[CDATA\[|{_BOGUS})|\]\]>")


def _pieces(token: re.Pattern[str], groups: int, html: str) -> list[str | None]:
    r"""The text between the tokens, and their groups. "\f" or "\0" replaces the first group."""
    pieces: list[str | None] = token.split(html)
    step = groups + 1
    pieces[1::step] = ["\f" if line else "\0" for line in pieces[1::step]]
    return pieces


def _decoded(text: str) -> str:
    """The text with its character references decoded, and without NULs."""
    if "&#" in text:
        text = _TOO_LARGE.sub("\ufffd", _ZEROS.sub(r"&#\1", text))
    return unescape(text).replace("\0", "")


def lines_of(raw: str) -> str:
    """The result of `raw_text` as lines, without empty ones."""
    return "\n".join(filter(None, (" ".join(line.split()) for line in raw.split("\f"))))

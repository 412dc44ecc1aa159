"""HTML to text, for the index and for readers.

What is decided here, and why:
- Hidden text (`display:none`, font size 0, the `hidden` attribute) is kept: a reader could be shown one
  text and the search another, and what hides in one program shows in the next.
- Scripts, styles, comments and the head are not text. Nothing remote is fetched, nothing is run.
- The targets of links and alternative texts of images are left out: they are mostly trackers' addresses.
- Elements that begin a line become line breaks; all other white space is one space, as a browser has it.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser

from muniment.mail.patterns import any_of

LIMIT = 1024 * 1024
"""Characters of a document that are read."""
_MANY_TAGS = 1000
_LINE = (
    *("p", "div", "br", "tr", "li", "ul", "ol", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("table", "td", "th", "caption", "blockquote", "pre", "hr", "center", "section", "article"),
    *("header", "footer", "main", "aside", "nav", "address", "form", "fieldset", "option"),
    *("figure", "figcaption", "body", "title"),
)
"""Elements that begin a line, and end it."""
_NOT_TEXT = ("script", "style", "title", "template", "noembed", "noframes", "iframe")

_BREAK = re.compile(rf"<(?=/?{any_of(_LINE)}[\s/>])")
_SPECIAL = re.compile(f"<({any_of((*_NOT_TEXT, 'pre'))})")
_LONG_TAG = re.compile(r"<[a-zA-Z][^>]{4096}")
_TAG = re.compile(
    rf"</?(?!(?:{'|'.join(_NOT_TEXT)})[\s/>])(?:({'|'.join(_LINE)})(?=[\s/>])|[a-z])"
    r"(?>[^<>\"']+|\"[^\"<]*\"|'[^'<]*'|[\"'])*+>?",
    re.IGNORECASE,
)


def to_text(html: str) -> str:
    """The text of a document, a line a block, at most its first LIMIT characters. Never raises."""
    return lines_of(raw_text(html))


def raw_text(html: str) -> str:
    """The words of a document in order, and "\\f" where lines end, amid any white space. Never raises.

    Time and memory are linear in its length: the parser's are not for thousands of nested or unclosed
    elements, so a document of more than _MANY_TAGS tags loses all tags that shape no text beforehand.
    """
    html = html[:LIMIT].replace("\f", " ").replace("\0", " ")
    if html.count("<") > _MANY_TAGS or _LONG_TAG.search(html):
        html = _TAG.sub(lambda tag: "\f" if tag[1] else "", html)
    tree = LexborHTMLParser(_BREAK.sub("\f<", html))
    root = tree.body
    if root is None:
        return ""
    special = {name.lower() for name in _SPECIAL.findall(html)}
    if unwanted := [name for name in _NOT_TEXT if name in special]:
        root.strip_tags(unwanted, recursive=True)
    text = root.text()
    return text.replace("\n", "\f") if "pre" in special else text


def lines_of(raw: str) -> str:
    """What `raw_text` gave as lines, none of them empty."""
    return "\n".join(filter(None, (" ".join(line.split()) for line in raw.split("\f"))))

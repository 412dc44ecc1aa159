"""Draws HTML as lines of text for a person: headings, lists, quotes, tables, and the targets of links.

The words are those of `html.to_text`, hidden ones too, so what is shown can be found. Added are only
numbers of links, marks of lists and quotes, rules, and blanks. There is no tree: tags open and close counters
that have limits, so time and memory stay linear in the document's length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from muniment.mail.text.drawn_line import FIXED, HEADING, TARGET, DrawnLine
from muniment.mail.text.html import target_of, tokens
from muniment.mail.text.links import is_target
from muniment.mail.text.table_drawing import TableCell, drawn
from muniment.system.sanitise import clean

DEEP = 8
"""Levels of quotes and of lists that are drawn; deeper ones look like the last."""
TABLES = 12
"""Tables inside one another that are distinguished."""
LISTED = 500
"""Links that are numbered."""
ADDED = 2 * 1024 * 1024
"""Characters that marks and blanks may add to a document. Without any left, text is drawn without them."""
_NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]{0,20})(?=[\t\n\r />]|\Z)")
_NUMBER = r"[\t\n\r ]{0,9}=[\t\n\r ]{0,9}[\"']?([0-9]{1,6})"
_START = re.compile(rf"[\t\n\r \"'/](?:start|value){_NUMBER}", re.IGNORECASE)
_COLUMNS = re.compile(rf"[\t\n\r \"'/]colspan{_NUMBER}", re.IGNORECASE)
_ROWS = re.compile(rf"[\t\n\r \"'/]rowspan{_NUMBER}", re.IGNORECASE)
_QUOTES = re.compile(rf"(?:> ){{0,{DEEP}}}")
_CLOSING = re.compile(r"[\s.,;:!?)\]}»”\"]")
"""What may follow the number of a link."""
_ACTIVE = ("javascript:", "vbscript:", "data:")
"""Targets that a reader must see although they lead to no address."""
_ACTIVE_SHOWN = 200
_RULE = "─" * 20
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_SPACED = frozenset({"p", "dl", "form", "fieldset", "figure", "section", "article", "header", "footer"})
"""Elements with a blank line before and behind them."""


class _Context:
    """Where text is: in quotes, lists, a heading or preformatted text."""

    __slots__ = ("gap", "heading", "lists", "mark", "pre", "quotes")

    def __init__(self) -> None:
        self.quotes = 0
        self.lists: list[tuple[int, int]] = []
        """Width of the mark, and the last number, of each list around; -1 for a list without numbers."""
        self.heading = False
        self.pre = 0
        self.mark = ""
        """The mark of a list for the next line."""
        self.gap = False
        """Whether a blank line comes before the next line."""


class _Table:
    """A table that is being read, and what was around it."""

    __slots__ = ("around", "context", "holder", "rows")

    def __init__(self, around: list[DrawnLine], context: _Context, holder: TableCell | None) -> None:
        self.around = around
        self.context = context
        self.holder = holder
        self.rows: list[list[TableCell]] = []


class _Drawer:
    """Draws one document."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._out: list[DrawnLine] = []
        self._context = _Context()
        self._tables: list[_Table] = []
        self._cell: TableCell | None = None
        self._text: list[str] = []
        self._links: dict[str, int] = {}
        self._unlisted = 0
        self._target = ""
        """The target of the link that is open; "" for none."""
        self._link_at = 0
        """Where its text begins in `_text`."""
        self._due = ""
        """Numbers of closed links that wait for the end of a word."""
        self._room = ADDED

    # --- text

    def text(self, text: str) -> None:
        if not text:
            return
        if self._due:
            end = _CLOSING.search(text)
            if end is None:
                self._text.append(text)
                return
            self._text += (text[: end.start()], self._due)
            text, self._due = text[end.start() :], ""
        self._text.append(text)

    def _flush(self) -> bool:
        """End the line, and return whether it had text."""
        if not (self._text or self._due):
            return False
        if self._target and "".join(self._text[self._link_at :]).strip():
            self._end_link()
        raw, self._text = "".join([*self._text, self._due]), []
        self._due, self._link_at = "", 0
        if self._context.pre:
            lines = raw.replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n")
            for line in lines:
                wide = line.expandtabs() if self._room > 0 else line
                self._room -= len(wide) - len(line)
                self._emit(clean(wide).rstrip(), FIXED)
            return bool(raw.strip())
        text = clean(" ".join(raw.split()))
        if text:
            self._emit(text, HEADING if self._context.heading else "")
        return bool(text)

    def _emit(self, text: str, kind: str) -> None:
        """Append a line, with the marks of what is around it."""
        here = self._context
        quote = "> " * min(here.quotes, DEEP)
        last = self._out[-1].text if self._out else ""
        if here.gap and last.strip("> "):
            shared = min(here.quotes, _level(last)) if self._room > 0 else 0
            self._out.append(DrawnLine(("> " * shared).rstrip()))
        lists = here.lists[:DEEP]
        indent = sum(width for width, _ in lists)
        mark = here.mark.rjust(indent) if here.mark else " " * indent
        here.mark, here.gap = "", False
        self._room -= len(quote) + len(mark)
        self._out.append(DrawnLine(f"{quote}{mark}{text}" if self._room > 0 else text, kind))

    # --- tags

    def tag(self, tag: str, line: bool) -> None:
        named = _NAME.match(tag)
        name = named[1].lower() if named is not None else ""
        closes = tag.startswith("</")
        if not line:
            if name == "a":
                self._end_link()
                if not closes:
                    self._begin_link(target_of(tag))
            elif name == "area" and not closes:
                self._begin_link(target_of(tag))
                self._end_link()
            return
        flushed = self._flush()
        if name == "form" and not closes:
            self._begin_link(target_of(tag))
            self._end_link()
            self._flush()
        self._block(name, closes, tag, flushed)

    def _block(self, name: str, closes: bool, tag: str, flushed: bool) -> None:
        here = self._context
        if name == "br":
            here.gap = here.gap or not flushed
        elif name in _SPACED:
            here.gap = here.gap or not here.lists
        elif name in _HEADINGS:
            here.heading, here.gap = not closes, True
        elif name == "blockquote":
            here.quotes, here.gap = max(here.quotes + (-1 if closes else 1), 0), True
        elif name == "pre":
            here.pre, here.gap = max(here.pre + (-1 if closes else 1), 0), True
        elif name == "hr":
            self._emit(_RULE, FIXED)
        elif name in ("ul", "ol"):
            self._list(name == "ol", closes, tag)
        elif name == "li" and not closes:
            self._item(tag)
        elif name in ("table", "tr", "td", "th", "caption"):
            self._table_tag(name, closes, tag)

    def _list(self, numbered: bool, closes: bool, tag: str) -> None:
        here = self._context
        if not closes:
            begin = _number(_START, tag, 1) - 1 if numbered else -1
            here.lists.append((4 if numbered else 2, begin))
        elif here.lists:
            here.lists.pop()
        here.gap = here.gap or len(here.lists) == (0 if closes else 1)
        here.mark = ""

    def _item(self, tag: str) -> None:
        here = self._context
        if not here.lists:
            here.mark = "• "
            return
        width, last = here.lists[-1]
        if last < 0:
            here.mark = "• "
            return
        number = _number(_START, tag, last + 1)
        here.lists[-1] = width, number
        here.mark = f"{number}. "

    # --- links

    def _begin_link(self, target: str) -> None:
        if target.lower().startswith(_ACTIVE):
            target = target[:_ACTIVE_SHOWN]
        elif not is_target(target):
            return
        self._target, self._link_at = target, len(self._text)

    def _end_link(self) -> None:
        """The link ends. Its number is drawn behind its text, unless that is the target itself."""
        target, self._target = self._target, ""
        written = "".join(self._text[self._link_at :]).strip() if target else ""
        if not target or written in (target, target.removeprefix("mailto:")):
            return
        if target not in self._links and len(self._links) >= LISTED:
            self._unlisted += 1
            return
        mark = f"[{self._links.setdefault(target, len(self._links) + 1)}]"
        before = "".join(self._text[-1:])
        if not before or before[-1:].isspace():
            self._text.append(f"{mark} ")
        else:
            self._due += f" {mark}"

    # --- tables

    def _table_tag(self, name: str, closes: bool, tag: str) -> None:
        if name == "table":
            if not closes:
                self._begin_table()
            elif self._tables:
                self._end_table()
            return
        if not self._tables or name == "caption":
            return
        table = self._tables[-1]
        self._leave_cell(table)
        if closes:
            return
        if name == "tr" or not table.rows:
            table.rows.append([])
        if name != "tr":
            self._cell = TableCell(_number(_COLUMNS, tag, 1), _number(_ROWS, tag, 1), name == "th")
            table.rows[-1].append(self._cell)
            self._out, self._context = self._cell.lines, _Context()

    def _begin_table(self) -> None:
        if len(self._tables) >= TABLES:
            return
        if self._cell is not None:
            self._cell.holds_table = True
        self._tables.append(_Table(self._out, self._context, self._cell))
        self._cell = None

    def _leave_cell(self, table: _Table) -> None:
        """What is not in a cell is drawn before its table, as in a browser."""
        self._out, self._context, self._cell = table.around, table.context, None

    def _end_table(self) -> None:
        table = self._tables.pop()
        self._leave_cell(table)
        self._cell = table.holder
        room = self._width - self._indent()
        lines = drawn(table.rows, room) if self._room > len(table.rows) * self._width else []
        if lines:
            self._room -= sum(len(line.text) for line in lines)
            self._context.gap = True
            self._put(lines)
            self._context.gap = True
            return
        for row in table.rows:
            for cell in row:
                self._put(cell.lines)
                self._context.gap = self._context.gap or len(cell.lines) > 1

    def _put(self, lines: Sequence[DrawnLine]) -> None:
        """Append lines that are drawn already."""
        here = self._context
        if lines and not (here.quotes or here.lists or here.mark):  # as they are: this is much faster
            self._emit(*lines[0])
            self._out += lines[1:]
            return
        for line in lines:
            if line.text:
                self._emit(line.text, line.kind)
            else:
                self._context.gap = True

    def _indent(self) -> int:
        here = self._context
        return 2 * min(here.quotes, DEEP) + sum(width for width, _ in here.lists[:DEEP])

    # --- the whole

    def finish(self) -> list[DrawnLine]:
        """End everything that is open, and append the targets of the links."""
        self._end_link()
        self._flush()
        while self._tables:
            self._end_table()
        lines = self._out
        if self._links:
            lines += [DrawnLine(""), DrawnLine("Links", HEADING)]
            lines += [DrawnLine(f"[{n}] {clean(target)}", TARGET) for target, n in self._links.items()]
            if self._unlisted:
                lines.append(DrawnLine(f"and {self._unlisted} more, which only the source shows"))
        return lines


def _level(line: str) -> int:
    """The number of quotes that a line is drawn in."""
    begin = _QUOTES.match(line)
    return len(begin[0]) // 2 if begin is not None else 0


def _number(pattern: re.Pattern[str], tag: str, otherwise: int) -> int:
    stated = pattern.search(tag)
    return int(stated[1]) if stated is not None else otherwise


def draw(html: str, width: int) -> list[DrawnLine]:
    """A document as lines, of at most its first `html.LIMIT` characters. Never raises.

    Args:
        html: the document.
        width: cells that a table may take. Other lines are as long as their text.
    """
    drawer = _Drawer(width)
    for text, tag, line in tokens(html):
        drawer.text(text)
        if tag:
            drawer.tag(tag, line)
    return drawer.finish()

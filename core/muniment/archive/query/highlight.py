"""What of a query a reader wants to see marked in the text of what it found."""

from __future__ import annotations

from collections.abc import Iterator

from muniment.archive.query import And, Node, Or, Phrase, Prefix, Word

Text = Word | Phrase | Prefix


def sought(node: Node) -> tuple[Text, ...]:
    """The words and phrases that a message may have been found by, each once; none that is ruled out."""
    return tuple(dict.fromkeys(_sought(node)))


def _sought(node: Node) -> Iterator[Text]:
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _sought(item)
        case Word() | Phrase() | Prefix():
            yield node
        case _:
            pass

"""The words and phrases of a query that are highlighted in the messages it finds."""

from __future__ import annotations

from collections.abc import Iterator

from muniment.archive.query import And, Node, Or, PhraseTerm, PrefixTerm, WordTerm

Text = WordTerm | PhraseTerm | PrefixTerm


def highlight_terms(node: Node) -> tuple[Text, ...]:
    """Return the distinct words and phrases by which a query can find messages, without negated ones."""
    return tuple(dict.fromkeys(_terms(node)))


def _terms(node: Node) -> Iterator[Text]:
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _terms(item)
        case WordTerm() | PhraseTerm() | PrefixTerm():
            yield node
        case _:
            pass

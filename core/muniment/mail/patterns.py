"""Helpers that write fast regular expressions."""

from __future__ import annotations

from collections.abc import Callable, Collection


def any_case(pattern: str) -> str:
    """The pattern in upper and lower case, three times as fast as IGNORECASE.

    `pattern` may hold only ASCII letters that mean themselves, and no escapes or classes with letters.
    """
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in pattern)


def begins_any(words: Collection[str]) -> str:
    """A lookahead for the first letter of any of the words, in any case.

    It rules out most positions at once.
    """
    return f"(?=[{''.join(sorted({word[0] for word in words} | {word[0].upper() for word in words}))}])"


def any_of(words: Collection[str], tail: Callable[[int], str] = lambda length: "", length: int = 0) -> str:
    """A pattern that matches any of the words, in any case. It tries a common prefix once.

    Args:
        words: ASCII lower-case letters, digits and hyphens.
        tail: gives the pattern that follows a word of that length.
        length: length of the prefix that all words share already. Callers leave it at 0.
    """
    firsts = sorted({word[0] for word in words if word})
    rests = [[word[1:] for word in words if word[:1] == first] for first in firsts]
    branches = [
        any_case(first) + any_of(rest, tail, length + 1) for first, rest in zip(firsts, rests, strict=True)
    ]
    if "" in words:
        branches.append(tail(length))
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"

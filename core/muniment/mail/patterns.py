"""Help for writing regular expressions that are fast."""

from __future__ import annotations

from collections.abc import Callable, Collection


def any_case(pattern: str) -> str:
    """The pattern for both cases; three times as fast as IGNORECASE is. For ASCII letters as they stand."""
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in pattern)


def begins_any(words: Collection[str]) -> str:
    """A look at the first letter of any of the words, in any case: it rules out most others at once."""
    return f"(?=[{''.join(sorted({word[0] for word in words} | {word[0].upper() for word in words}))}])"


def any_of(words: Collection[str], tail: Callable[[int], str] = lambda length: "", length: int = 0) -> str:
    """A pattern for any of the words, in any case; what they begin with in common is tried once.

    The words are of ASCII lower-case letters, digits and hyphens. `tail` gives the pattern for what follows
    a word of that length; `length` is that of what the words go on from.
    """
    firsts = sorted({word[0] for word in words if word})
    rests = [[word[1:] for word in words if word[:1] == first] for first in firsts]
    branches = [
        any_case(first) + any_of(rest, tail, length + 1) for first, rest in zip(firsts, rests, strict=True)
    ]
    if "" in words:
        branches.append(tail(length))
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"

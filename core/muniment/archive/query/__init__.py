"""The query language: what Gmail's and Outlook's users type, read into a small tree.

    invoice "red car" -draft             words, a phrase, not this word
    from:anna OR from:bob                either; OR joins its two neighbours before the space does
    (a OR b) NOT c        a | b          parentheses, other spellings
    from: to: cc: bcc: subject: body: filename: link:     a word, a "phrase", an address, or (several)
    invoi*  *bill  hand*work  wom?n      words that begin, end or are so; "in a phr*", too
    from:anna@  from:*@example.com       addresses that begin or end so
    has:attachment  in:inbox  in:sent  in:"a folder"  user:anna@example.com  id:3f9a01c2
    msgid:a1@example.com                 the message with this Message-ID; so does the bare id
    thread:a1@example.com                it, and what names it in References or In-Reply-To
    after:2024-05-01  before:2024-05     from the start of it, earlier than it
    on:2024-05-01  on:today  on:7d       within it; 7d, 2w, 3m, 1y are days so long ago
    larger:5M  smaller:10k               bytes, k, M, G (of 1,024)

A space means AND. `a AND b` binds tighter than OR, OR tighter than a space: `x a OR b` is
`x (a OR b)`, as in Gmail. OR, AND and NOT are operators in capitals only.
"""

from muniment.archive.query.nodes import (
    EVERYTHING,
    FIELDS,
    TEXT_FIELDS,
    And,
    Condition,
    HasAttachment,
    Id,
    In,
    Larger,
    MessageId,
    Node,
    Not,
    Number,
    Or,
    Phrase,
    Prefix,
    Since,
    Smaller,
    Text,
    Thread,
    Until,
    User,
    Word,
    both,
    either,
    negate,
)  # fmt: skip
from muniment.archive.query.reading import MAX_DEPTH, MAX_QUERY, MAX_TERMS, parse
from muniment.archive.query.writing import unparse

__all__ = [
    "EVERYTHING", "FIELDS", "MAX_DEPTH", "MAX_QUERY", "MAX_TERMS", "TEXT_FIELDS", "And", "Condition",
    "HasAttachment", "Id", "In", "Larger", "MessageId", "Node", "Not", "Number", "Or", "Phrase", "Prefix",
    "Since", "Smaller", "Text", "Thread", "Until", "User", "Word", "both", "either", "negate", "parse",
    "unparse",
]  # fmt: skip

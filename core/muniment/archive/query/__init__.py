"""The query language, as users of Gmail and Outlook type it, and its parser.

    invoice "red car" -draft             words, a phrase, a word that must not be there
    from:anna OR from:bob                one of both; OR binds tighter than a space
    (a OR b) NOT c        a | b          parentheses, other spellings
    from: to: cc: bcc: subject: body: filename: link:     a word, a "phrase", an address, or (several)
    attachment:invoice                   in the name of a file, or in the text inside it
    invoi*  *bill  hand*work  wom?n      wildcards in words; in phrases, too: "in a phr*"
    from:anna@  from:*@example.com       the start or the end of an address
    has:unreadable                       with an attachment whose text could not be read
    has:attachment  in:inbox  in:sent  in:"a folder"  user:anna@example.com  id:3f9a01c2
    group:board                          mail of the people who are in the group now
    in:"Project \\"X\\""                   a quote in quotes has a backslash before it; so may a backslash
    msgid:a1@example.com                 the message with this Message-ID; the bare id finds it as well
    thread:3f9a01c2                      the conversation of the message with this id
    thread:a1@example.com                the message with this Message-ID, and messages that name it in
                                         References or In-Reply-To; thread:<3f9a01c2> is a Message-ID, too
    after:2024-05-01  before:2024-05     from the start of the period on; before its start
    on:2024-05-01  on:today  on:7d       within the period; 7d, 2w, 3m, 1y are the day that long ago
    between:2024-05-01..2024-06          from the start of the first to the end of the second
    between:anna,bob@example.com         mail from one of the two to the other
    larger:5M  smaller:10k               bytes, or k, M, G (of 1,024)

A space means AND. `a AND b` binds tighter than OR, and OR binds tighter than a space: `x a OR b` is
`x (a OR b)`, as in Gmail. OR, AND and NOT are operators only in capitals.
"""

from muniment.archive.query.nodes import (
    EVERYTHING,
    FIELDS,
    TEXT_FIELDS,
    And,
    Condition,
    Conversation,
    DatedBefore,
    DatedSince,
    FileEnd,
    GroupTerm,
    HasAttachment,
    HasUnreadable,
    IdPrefix,
    InFolder,
    InThread,
    LargerThan,
    MessageId,
    Node,
    Not,
    Or,
    PhraseTerm,
    PrefixTerm,
    RecordNumber,
    RecordNumbers,
    SmallerThan,
    Text,
    UserTerm,
    WordTerm,
    both,
    either,
    negate,
)  # fmt: skip
from muniment.archive.query.reading import MAX_DEPTH, MAX_QUERY, MAX_TERMS, MAX_THREADS, parse
from muniment.archive.query.writing import unparse

__all__ = [
    "EVERYTHING",
    "FIELDS",
    "MAX_DEPTH",
    "MAX_QUERY",
    "MAX_TERMS",
    "MAX_THREADS",
    "TEXT_FIELDS",
    "And",
    "Condition",
    "Conversation",
    "DatedBefore",
    "DatedSince",
    "FileEnd",
    "GroupTerm",
    "HasAttachment",
    "HasUnreadable",
    "IdPrefix",
    "InFolder",
    "InThread",
    "LargerThan",
    "MessageId",
    "Node",
    "Not",
    "Or",
    "PhraseTerm",
    "PrefixTerm",
    "RecordNumber",
    "RecordNumbers",
    "SmallerThan",
    "Text",
    "UserTerm",
    "WordTerm",
    "both",
    "either",
    "negate",
    "parse",
    "unparse",
]  # fmt: skip

"""The kinds of files that have text, by their names. It loads nothing that reads them.

What a file is decides its content (see `message`). Names only decide whether a message is worth a look.
"""

from __future__ import annotations

_DOCUMENTS = frozenset(
    (
        *("pdf", "doc", "dot", "docx", "docm", "dotx", "dotm", "xls", "xlt", "xlsx", "xlsm", "xltx", "xlsb"),
        *(
            "ppt",
            "pps",
            "pptx",
            "pptm",
            "ppsx",
            "odt",
            "ott",
            "ods",
            "odp",
            "odg",
            "rtf",
            "txt",
            "csv",
            "html",
        ),
        *("htm", "xml", "ics", "vcf", "eml", "msg", "zip", "dat", "p7m"),
    )
)
"""Ends of names of files that can be read."""


def may_have_text(attachments: int, names: tuple[str, ...]) -> bool:
    """Return whether a message may have attachments with text.

    Args:
        attachments: The number of its attachments; inline ones do not count.
        names: The names of all its files, inline ones as well.
    """
    return attachments > 0 or any(name.rpartition(".")[2].strip().lower() in _DOCUMENTS for name in names)

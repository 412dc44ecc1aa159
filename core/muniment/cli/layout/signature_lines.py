"""What a message's signatures gave, in words."""

from __future__ import annotations

from collections.abc import Iterator

from muniment.api import Message, SignatureWord
from muniment.system.formatting import local

NONE = "none: the message has no signature of DKIM or ARC"


def signature_sentences(message: Message) -> Iterator[str]:
    """Yield a sentence for each signature of a message; nothing if they were not judged."""
    if message.judged and not message.signatures:
        yield NONE
    for word in message.signatures:
        yield _sentence(word)


def _sentence(word: SignatureWord) -> str:
    whose = f"{word.kind.upper()} of {word.domain or 'an unknown domain'}"
    if word.state != "valid":
        return f"{word.state}: {whose}; {word.reason}"
    asked = f", by its key of {local(word.asked)}" if word.asked is not None else ""
    late = word.expires is not None and word.asked is not None and word.expires < word.asked
    until = f"; the signer meant it to be used until {local(word.expires)}" if late and word.expires else ""
    return f"valid: {whose}{asked}{until}"

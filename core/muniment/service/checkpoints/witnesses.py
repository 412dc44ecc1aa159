"""Asks a witness to sign a checkpoint (C2SP tlog-witness)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from muniment.errors import MunimentError, SourceError
from muniment.evidence.checkpoint_body import NoteInvalid, read_body, read_size
from muniment.evidence.note_keys import KeyKind, VerifierKey
from muniment.evidence.signed_note import NoteSignature, SignedNote, read_signatures, verified
from muniment.evidence.witness_request import WitnessRequest
from muniment.net.limits import AnswerLimits
from muniment.net.oauth import http_session
from muniment.service.checkpoints.targets import Prove, SetBack
from muniment.system.sanitise import clean

SECONDS = 20.0
"""Longest time for a request, in seconds."""
LONGEST = 64 * 1024
"""Most bytes of an answer."""


@dataclass(slots=True)
class WitnessClient:
    """One witness, and the size that it has signed last."""

    url: str
    keys: Sequence[VerifierKey]
    """The public keys of all witnesses of the vault: its signature must be by one of them."""
    ca_file: str = ""
    size: int = 0
    _session: Any = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """How messages name it."""
        return f"the witness {clean(self.url)}"

    def ask(self, note: SignedNote, prove: Prove) -> tuple[NoteSignature, ...]:
        """Ask for signatures of a checkpoint; returns those that hold.

        Args:
            note: the checkpoint, signed by the vault.
            prove: gives the consistency proof for the size that the witness knows.

        Raises:
            SetBack: it has signed a history that the ledger does not have.
            MunimentError: it can't be reached, or refuses for another reason.
        """
        body = read_body(note.text)
        status, text = self._post(note, prove)
        if status == 409:
            self.size = self._known(text)
            if self.size > body.size:
                raise SetBack(
                    f"{self.name} has signed {self.size:,} records of this ledger, which has {body.size:,}: "
                    "it was cut or set back"
                )
            status, text = self._post(note, prove)
        if status == 200:
            found = self._signatures(note, text)
            self.size = body.size
            return found
        raise self._refusal(status)

    def _post(self, note: SignedNote, prove: Prove) -> tuple[int, str]:
        # A witness that knows more is asked again from the beginning, and says so again.
        old = self.size if self.size <= read_body(note.text).size else 0
        request = WitnessRequest(old, prove(old).path if old else (), note)
        if self._session is None:
            self._session = http_session(clean(self.url), self.ca_file, SECONDS, AnswerLimits())
        url = f"{self.url.rstrip('/')}/add-checkpoint"
        try:
            with self._session.post(url, data=str(request).encode(), allow_redirects=False) as answer:
                # The content type of a witness has no charset, and the text is UTF-8.
                return answer.status_code, answer.content[: LONGEST + 1].decode("utf-8", "replace")
        except MunimentError:
            raise
        except OSError as error:  # of requests: no connection, no TLS, no time
            raise SourceError(f"{self.name} can't be reached ({type(error).__name__})") from None

    def _known(self, text: str) -> int:
        try:
            return read_size(text.removesuffix("\n"))
        except NoteInvalid:
            raise SourceError(f"{self.name} does not answer as witnesses do: check its address") from None

    def _signatures(self, note: SignedNote, text: str) -> tuple[NoteSignature, ...]:
        """The signatures in an answer that are by known keys of witnesses."""
        cosigners = [key for key in self.keys if key.kind is not KeyKind.ED25519]
        try:
            lines = read_signatures(text) if len(text) <= LONGEST else ()
            alone = SignedNote(note.text, lines)
            ids = {(key.name, key.id) for key in verified(alone, cosigners)}
        except NoteInvalid as error:
            raise SourceError(
                f"{self.name} has not signed by a key of checkpoints.witness_keys in vault.toml ({error})"
            ) from None
        return tuple(line for line in lines if (line.name, line.id) in ids)

    def _refusal(self, status: int) -> MunimentError:
        if status == 422:
            return SetBack(
                f"{self.name} refuses this ledger: it does not continue the {self.size:,} records that the "
                "witness has signed, so it was rewritten, or set back and grown again"
            )
        why = {
            403: "it knows this archive by another key: give it the key of `muniment checkpoint show`",
            404: "it does not know this archive: give it the key of `muniment checkpoint show`",
            409: "its size changes at each request: another archive signs under the same name",
        }.get(status, f"it answered {status}")
        return SourceError(f"{self.name} has not signed: {why}")

"""What the commands `muniment witness ...` do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from muniment.errors import LedgerDamaged, MunimentError, NotFound, UsageError
from muniment.evidence.checkpoint_body import read_body
from muniment.evidence.note_keys import VerifierKey, read_verifier
from muniment.evidence.signed_note import verified
from muniment.system.logs import log_to_stderr
from muniment.witness.judge import CONTRADICTION, OTHER_SIZE, SIGNED, UNKNOWN_LOG, judge
from muniment.witness.server import serve
from muniment.witness.state import WitnessState

MOST_PORT = 65535


class FolderDesk:
    """Keeps the folder of a witness (`cli.engine_port.WitnessDesk`)."""

    def make(self, folder: Path, name: str) -> list[str]:
        state = WitnessState(folder)
        state.make(name)
        return _public(state)

    def trust(self, folder: Path, keys: Sequence[str]) -> list[str]:
        new = WitnessState(folder).trust([read_verifier(one.strip()) for one in keys])
        return [str(key) for key in new]

    def add(self, folder: Path, request: bytes) -> str:
        state = WitnessState(folder)
        state.signing_keys()
        try:
            answer = judge(state, request)
        except OSError as error:
            raise MunimentError(
                f"the witness can't write to {folder} ({error.strerror}): nothing was signed"
            ) from None
        if answer.status == SIGNED:
            return answer.text
        said = answer.text.strip()
        if answer.status == CONTRADICTION:
            raise LedgerDamaged(
                f"the ledger was rewritten, or its end was cut and other records follow: {said}. The refused "
                f"checkpoint is kept in {folder}, as evidence"
            )
        if answer.status == OTHER_SIZE:
            raise UsageError(
                f"the last checkpoint that this witness has signed has {answer.size} records: ask for a "
                f"request from there, by `muniment checkpoint show --from {answer.size}`"
            )
        if answer.status == UNKNOWN_LOG:
            raise NotFound(f"{said}: check its public key, then `muniment witness trust KEY`")
        raise UsageError(said)

    def status(self, folder: Path) -> dict[str, Any]:
        state = WitnessState(folder)
        origins: dict[str, list[VerifierKey]] = {}
        for key in state.logs():
            origins.setdefault(key.name, []).append(key)
        return {
            "keys": _public(state),
            "logs": [_of_log(state, origin, keys) for origin, keys in origins.items()],
        }

    def serve(
        self,
        folder: Path,
        listen: str,
        say: Callable[[str], None],
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        host, port = _address(listen)
        if not logging.getLogger().handlers:
            log_to_stderr("keys")
        serve(WitnessState(folder), host, port, say, certificate, key)


def _public(state: WitnessState) -> list[str]:
    return [str(key.verifier) for key in state.signing_keys()]


def _of_log(state: WitnessState, origin: str, keys: list[VerifierKey]) -> dict[str, Any]:
    """What is known of a log. Its file is checked, since it could have been edited."""
    found: dict[str, Any] = {"origin": origin, "size": None, "root": None, "seconds": None, "refused": []}
    found["refused"] = [str(path) for _, path in state.refused(origin)]
    last = state.last(origin)
    if last is not None:
        verified(last, keys)
        body = read_body(last.text)
        found |= {"size": body.size, "root": body.root.hex(), "seconds": state.age(origin)}
    return found


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > MOST_PORT:
        raise UsageError(f"{listen!r} is no address and port: give one such as 127.0.0.1:8472")
    return host.removeprefix("[").removesuffix("]"), int(port)

"""Has the day's checkpoint stamped by an authority (RFC 3161), and renews stamps before their end.

`signed/SIZE.tsr` is the stamp of the text of SIZE.note: its first three lines. Stamps whose authority's
certificate ends soon are renewed together: `signed/renewal-DAY.sha256` lists them, and
`renewal-DAY.sha256.tsr` stamps that list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from muniment.errors import ConfigError, MunimentError, SourceError, VaultError
from muniment.evidence.time_stamps import (
    LARGEST,
    StampInvalid,
    TimeStamp,
    check_stamp,
    listed,
    renewal_list,
    stamp_end,
    stamp_request,
)
from muniment.net.limits import AnswerLimits
from muniment.net.oauth import http_session
from muniment.service.checkpoints.targets import Publication
from muniment.system.atomic_files import write_file
from muniment.system.sanitise import clean

SECONDS = 30.0
"""Longest time for a request, in seconds."""
SOON = 90 * 86_400.0
"""Seconds before the end of a certificate at which its stamps are renewed."""
APART = 3600
"""Most seconds between the authority's clock and this machine's."""
STAMP, LIST = ".tsr", ".sha256"
_QUERY = {"Content-Type": "application/timestamp-query"}


@dataclass(slots=True)
class StampTarget:
    """A time-stamp authority, as a target that gets one checkpoint a day."""

    url: str
    root_file: Path
    """Its root certificate in PEM form."""
    folder: Path
    """The vault's folder `signed`."""
    ca_file: str = ""
    soon: float = SOON
    clock: Callable[[], float] = time.time
    _session: Any = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return f"the time-stamp authority {clean(self.url)}"

    def publish(self, what: Publication) -> None:
        path = self.folder / f"{what.body.size}{STAMP}"
        try:
            if not path.exists():
                stamp, _ = self._stamped(what.note.text.encode())
                write_file(path, stamp, durable=True)
            self._renew()
        except OSError as error:
            raise VaultError(f"{self.name}: {path} can't be written ({error.strerror})") from None

    def _renew(self) -> None:
        """Stamp the stamps whose certificate ends soon, unless a later one covers them.

        Raises:
            MunimentError: The authority still has a certificate that ends soon, or can't be used.
        """
        due = list(self._due())
        if not due:
            return
        day = datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%d")
        text = renewal_list((path.name, path.read_bytes()) for path in due)
        stamp, found = self._stamped(text)
        if found.ends <= self.clock() + self.soon:
            end = datetime.fromtimestamp(found.ends, UTC)
            raise SourceError(
                f"{self.name} has a certificate that ends on {end:%Y-%m-%d}, so {len(due)} stamps can't be "
                "renewed by it: name another authority in [checkpoints] of vault.toml before that day"
            )
        path = self.folder / f"renewal-{day}{LIST}"
        write_file(path, text, durable=True)
        write_file(path.with_name(path.name + STAMP), stamp, durable=True)

    def _due(self) -> Iterator[Path]:
        now, covered = self.clock(), self._covered()
        for path in sorted(self.folder.glob(f"*{STAMP}")):
            with suppress(StampInvalid):
                ends = stamp_end(path.read_bytes())
                if now < ends <= now + self.soon and path.name not in covered:
                    yield path

    def _covered(self) -> set[str]:
        """The names of stamps that a renewal lists whose own stamp does not end soon."""
        found: set[str] = set()
        for path in self.folder.glob(f"*{LIST}"):
            with suppress(StampInvalid, OSError):
                if stamp_end(path.with_name(path.name + STAMP).read_bytes()) > self.clock() + self.soon:
                    found |= {name for _, name in listed(path.read_bytes())}
        return found

    def _stamped(self, data: bytes) -> tuple[bytes, TimeStamp]:
        """Have some bytes stamped, and check the answer.

        Raises:
            MunimentError: There is no stamp, or it does not hold.
        """
        request, nonce = stamp_request(data)
        stamp = self._post(request)
        try:
            found = check_stamp(stamp, data, roots_in(self.root_file), nonce)
        except StampInvalid as error:
            raise SourceError(f"{self.name}: {error}") from None
        if abs(found.time - self.clock()) > APART:
            raise SourceError(f"{self.name} has another time than this machine: check both clocks")
        return stamp, found

    def _post(self, request: bytes) -> bytes:
        if self._session is None:
            self._session = http_session(clean(self.url), self.ca_file, SECONDS, AnswerLimits())
        try:
            with self._session.post(self.url, data=request, headers=_QUERY, allow_redirects=False) as answer:
                if answer.status_code != 200:
                    raise SourceError(f"{self.name} answered {answer.status_code}: check its address")
                return bytes(answer.content[: LARGEST + 1])
        except MunimentError:
            raise
        except OSError as error:  # of requests: no connection, no TLS, no time
            raise SourceError(f"{self.name} can't be reached ({type(error).__name__})") from None


def roots_in(path: Path) -> bytes:
    """The content of a file with root certificates.

    Raises:
        ConfigError: It can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the root certificate {path} can't be read ({error.strerror}): correct "
            "checkpoints.authority_root in vault.toml"
        ) from None


@dataclass(frozen=True, slots=True)
class StampVerdict:
    """What a stamp of a note proves now."""

    stamp: TimeStamp | None = None
    renewed: int | None = None
    """When it was renewed last, seconds since 1970 UTC; None if it was not."""
    problem: str = ""
    """Why it proves nothing, as a sentence; "" if it does."""


def judge_stamp(
    folder: Path, stamp: bytes, data: bytes, roots: bytes, now: float | None = None
) -> StampVerdict:
    """Check a stamp, and whether it was renewed before its authority's certificate ended.

    Args:
        folder: the vault's folder `signed`, which has the renewals.
        stamp: the stamp.
        data: the text of the note.
        roots: root certificates of all authorities in PEM form.
        now: seconds since 1970 UTC; the present time if None.
    """
    try:
        found = check_stamp(stamp, data, roots)
    except StampInvalid as error:
        return StampVerdict(problem=str(error))
    renewed, ends = None, found.ends
    digest = renewal_list([("", stamp)])[:64].decode()
    for path in sorted(folder.glob(f"*{LIST}")):
        with suppress(StampInvalid, OSError):
            text = path.read_bytes()
            later = check_stamp(path.with_name(path.name + STAMP).read_bytes(), text, roots)
            if digest in [one for one, _ in listed(text)] and later.time <= ends and later.ends > ends:
                renewed, ends = later.time, later.ends
    if ends < (time.time() if now is None else now):
        end = datetime.fromtimestamp(ends, UTC)
        return StampVerdict(
            found,
            renewed,
            f"the certificate of the time-stamp authority has ended on {end:%Y-%m-%d}, and the stamp was not "
            "renewed before",
        )
    return StampVerdict(found, renewed)

"""The records of subject requests, as the ledger keeps them.

All records of a request have its id. `open` and the `collect` records are committed together; what they list
never changes. A later `decide` record wins over an earlier one for the same message. Messages are named by
their numbers, the sequences of their records. `docs/ledger-format.md` specifies all fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from muniment.archive.catalog.model import DecisionRow
from muniment.archive.retention.holds import Actor
from muniment.errors import UsageError, VaultError
from muniment.system.sanitise import clean

LONGEST_NAME, LONGEST_CASE, LONGEST_REASON = 80, 80, 2_000
"""Most characters."""
LISTED = 10_000
"""Most messages that one record lists."""
DIGITS = 8
"""Hex digits of an id."""
Reach = Literal["party", "unsure", "named"]
REACHES: tuple[Reach, ...] = ("party", "unsure", "named")
"""Why a message is in a request: the person is on its envelope; may be, which is not certain; or only its
text names the person."""
Verdict = Literal["include", "withhold"]
VERDICTS: tuple[Verdict, ...] = ("include", "withhold")


class StepRecord(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op"):
    """What all records of a request have."""

    v: int
    id: str
    who: str
    uid: int


class OpenRecord(StepRecord, frozen=True, tag="open"):
    """A request is opened."""

    name: str
    case: str
    reason: str
    selection: dict[str, Any]
    end: int
    """Number of records of the ledger at that time: later mail is not in the request."""
    texts: tuple[str, ...] = ()
    """What was looked for in the text of mail."""
    unread: int = 0
    """Messages whose people are unknown."""
    unsearched: int = 0
    """Messages in whose text nothing could be looked for."""


class CollectRecord(StepRecord, frozen=True, tag="collect"):
    """Messages of a request."""

    reach: Reach
    messages: list[int]


class DecideRecord(StepRecord, frozen=True, tag="decide"):
    """A decision about messages of a request."""

    verdict: Verdict
    reason: str
    messages: list[int]
    query: str = ""
    """The query that found them; "" if they were named."""


class ClearRecord(StepRecord, frozen=True, tag="clear"):
    """A second person's consent to one package."""

    approval: str
    undecided: str
    listed: bool
    digest: str


class PackageRecord(StepRecord, frozen=True, tag="package"):
    """A package was made."""

    sha256: str
    """Of the whole file."""
    size: int
    manifest: str
    """SHA-256 of its manifest."""
    digest: str
    included: int
    changed: int
    """Messages of these in their public form."""
    withheld: int
    undecided: str
    """What was done with undecided messages; "" if there were none."""
    erased: int
    sealed: int
    listed: bool
    """Whether it lists what is withheld."""
    decided: int
    """The last decision record that it follows; -1 for none."""
    approval: str = ""


class CloseRecord(StepRecord, frozen=True, tag="close"):
    """A request is closed."""

    reason: str


AnyRecord = OpenRecord | CollectRecord | DecideRecord | ClearRecord | PackageRecord | CloseRecord


def read_record(row: DecisionRow) -> AnyRecord:
    """Read a record.

    Raises:
        VaultError: It can't be read.
    """
    try:
        record: AnyRecord = msgspec.convert(json.loads(row.content), AnyRecord)
    except (ValueError, msgspec.ValidationError) as error:
        raise VaultError(
            f"The subject request in record {row.sequence} can't be read ({error}); use the release that "
            "recorded it, or a newer one."
        ) from error
    return record


def text_of(what: str, text: str, most: int, *, needed: bool = True) -> str:
    """Return a text as it is recorded.

    Raises:
        UsageError: It is missing although it is needed, or too long.
    """
    made = clean(text).strip()
    if needed and not made:
        raise UsageError(f"A {what} is needed: give one.")
    if len(made) > most:
        raise UsageError(f"A {what} has at most {most} characters; shorten it.")
    return made


def name_key(name: str) -> str:
    """Return a name in the form in which names are compared: as it would be recorded, in any case."""
    return " ".join(clean(name).split()).casefold()


def step_value(op: str, id_: str, by: Actor, **fields: Any) -> dict[str, Any]:
    """Return a record of a request, without `v`."""
    return {"op": op, "id": id_, "who": by.who, "uid": by.uid, **fields}


def collect_values(
    id_: str, by: Actor, collected: Iterable[tuple[Reach, Sequence[int]]]
) -> Iterator[dict[str, Any]]:
    """Yield the records that list what a request has."""
    for reach, messages in collected:
        for part in _parts(messages):
            yield step_value("collect", id_, by, reach=reach, messages=part)


def decide_values(
    id_: str, by: Actor, verdict: str, reason: str, messages: Sequence[int], query: str = ""
) -> list[dict[str, Any]]:
    """Return the records of a decision about messages.

    Raises:
        UsageError: The verdict is none, or the reason is missing or too long.
    """
    if verdict not in VERDICTS:
        raise UsageError(f"{verdict!r} is no decision: use {' or '.join(VERDICTS)}")
    reason = text_of("reason", reason, LONGEST_REASON)
    more = {"query": query} if query else {}
    return [
        step_value("decide", id_, by, verdict=verdict, reason=reason, messages=part, **more)
        for part in _parts(messages)
    ]


def _parts(messages: Sequence[int]) -> Iterator[list[int]]:
    yield from (list(messages[start : start + LISTED]) for start in range(0, len(messages), LISTED))


def close_value(id_: str, by: Actor, reason: str) -> dict[str, Any]:
    """Return the record that closes a request; the reason may be missing.

    Raises:
        UsageError: The reason is too long.
    """
    return step_value("close", id_, by, reason=text_of("reason", reason, LONGEST_REASON, needed=False))

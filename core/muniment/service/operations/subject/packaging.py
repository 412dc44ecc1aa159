"""Answers PackageSubject: makes the package that a person is given, or asks another administrator for it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from muniment import api
from muniment.archive.catalog import MessageRow
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.operations.export_stream import StreamedFile
from muniment.archive.productions.packing import packed
from muniment.archive.retention.approvals import GOOD, Approval, approvals_of
from muniment.archive.subject.package import Package, PackagePlan, plan_package
from muniment.archive.subject.records import step_value
from muniment.archive.subject.requests import (
    Clearance,
    SubjectRequest,
    heads_of,
    loaded,
    request_named,
    require_open,
)
from muniment.archive.subject.review import Review
from muniment.archive.vault.vault import Vault
from muniment.client.receiving import receive
from muniment.errors import NotFound, UsageError, VaultError
from muniment.service.access.audit_trail import PEOPLE, audit_event
from muniment.service.access.roles import AccessRole
from muniment.service.access.second_person import needed_acts
from muniment.service.host.session import ClientSession
from muniment.service.operations.exports.export_steps import ExportSteps
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.reading import LOOK, require_room
from muniment.service.operations.retention.approving import Act, actor, ask_for_approval
from muniment.service.operations.subject.common import (
    closed_to,
    record_step,
    role_here,
    subject_events,
)
from muniment.system.formatting import count
from muniment.system.paths import as_path, readable

CHOICES = ("", "include", "withhold")
"""What can be done with undecided messages."""


def package(session: ClientSession, request: api.PackageSubject) -> Iterator[api.WireWord]:
    """Answer PackageSubject. For this process's own user, the package is written to its path."""
    if request.undecided not in CHOICES:
        raise UsageError("undecided messages can be included or withheld: use include or withhold")
    path = Path(as_path(request.path))
    if path.name in ("", "..") or "\0" in str(path) or path.suffix.lower() != ".zip":
        raise UsageError(f"{readable(str(path))!r} can't be the name of a package: name a new .zip file")
    words = _words(session, request, path)
    if session.caller.uid != os.geteuid():
        return words
    if os.path.lexists(path):
        raise UsageError(f"{readable(str(path))} exists already: name a new file")
    return receive(words, path)


def _words(session: ClientSession, request: api.PackageSubject, path: Path) -> Iterator[api.WireWord]:
    with session.writing() as vault:
        subject = request_named(vault, request.name)
        require_open(subject)
        review = Review(vault, subject, closed_to(session, vault).sealed_of)
        plan = plan_package(review, request.undecided, listed=request.listed)
        _check(subject, plan)
        needs = HAND_OVER.name in needed_acts(approvals_of(vault), session.settings())
        clearance = _clearance(session, subject, plan) if needs else None
        if needs and clearance is None:
            yield api.Done(message=_ask(session, vault, request, subject, plan))
            return
        made = _Making(session, vault, request, subject, plan, clearance)
        yield from made.words(review, path)


def _check(subject: SubjectRequest, plan: PackagePlan) -> None:
    """Check that a package can be made. Raises UsageError."""
    undecided = plan.states["undecided"]
    if undecided and not plan.undecided:
        raise UsageError(
            f"{count(undecided)} messages of {subject.name!r} are undecided: decide about them, or say what "
            "to do with them (--undecided include, or --undecided withhold)"
        )
    if not plan.included:
        raise UsageError(f"no message of {subject.name!r} is included, so there is nothing to hand over")


class _Making:
    """Makes one package."""

    def __init__(
        self,
        session: ClientSession,
        vault: Vault,
        request: api.PackageSubject,
        subject: SubjectRequest,
        plan: PackagePlan,
        clearance: Clearance | None,
    ) -> None:
        self._session, self._vault, self._request = session, vault, request
        self._subject, self._plan, self._clearance = subject, plan, clearance
        self._work = make_work(own_work(vault.folder))

    def words(self, review: Review, path: Path) -> Iterator[api.WireWord]:
        """The package as words, and at last the record of it."""
        require_room(self._work)
        made = Package(self._vault, review, self._plan, self._reading, self._look)
        digest, size, steps = hashlib.sha256(), 0, ExportSteps()
        with closing(packed(made.pieces(), path)) as pieces:
            for piece in pieces:
                if isinstance(piece, StreamedFile):
                    yield api.ExportFile(name=piece.name)
                elif piece:
                    digest.update(piece)
                    size += len(piece)
                    yield api.Chunk(data=piece)
                yield from steps.due(made.messages, self._plan.included)
        sha256 = digest.hexdigest()
        self._record(made, sha256, size)
        yield api.Done(
            message=f"{_messages(made.given)} in {readable(str(path))}. SHA-256 of the file: {sha256}.",
            warnings=tuple(self._warnings(made)),
        )

    def _look(self, done: int) -> None:
        """Check the free space of the vault's disk now and then. Raises VaultError."""
        if done % LOOK == 0:
            require_room(self._work)

    def _reading(self, rows: Sequence[MessageRow]) -> None:
        """Record that messages are read, before their first byte."""
        subject = self._subject
        people = sorted(self._vault.catalog.holders(row.sequence for row in rows) - {""})
        event = audit_event(
            "read", self._session.caller, role_here(self._session), self._request,
            messages=[row.sha.hex() for row in rows], people=people if len(people) <= PEOPLE else [],
            subject=subject.id, reason=subject.record.reason, total=len(rows),
        )  # fmt: skip
        self._vault.log([event])  # this vault is open for writing already

    def _record(self, made: Package, sha256: str, size: int) -> None:
        plan, subject, clearance = self._plan, self._subject, self._clearance
        approval = {"approval": clearance.record.approval} if clearance is not None else {}
        undecided = plan.undecided if plan.states["undecided"] else ""

        def values() -> list[dict[str, Any]]:
            if clearance is not None and _is_used(subject, clearance):
                raise VaultError(
                    "another package was made by the same approval meanwhile: ask for another one"
                )
            return [
                step_value(
                    "package", subject.id, actor(self._session),
                    sha256=sha256, size=size, manifest=made.manifest, digest=plan.digest,
                    included=made.given, changed=made.changed, withheld=plan.withheld + made.impossible,
                    undecided=undecided, erased=plan.states["erased"], sealed=plan.states["sealed"],
                    listed=plan.listed, decided=self._decided, **approval,
                )
            ]  # fmt: skip

        self._decided = subject.decided
        record_step(
            self._vault, subject, values,
            lambda: subject_events(
                self._session, self._request, subject, sha256=sha256, total=made.given, **approval
            ),
        )  # fmt: skip

    def _warnings(self, made: Package) -> Iterator[str]:
        """What the person who makes a package must know of it."""
        states = self._plan.states
        if made.changed:
            yield (
                f"{_messages(made.changed)} in the public form, since header fields could name other people"
            )
        if states["sealed"]:
            yield f"{_messages(states['sealed'])} sealed from you, and not in the package"
        if states["erased"]:
            yield f"{_messages(states['erased'])} erased since the request was opened"
        if made.impossible:
            yield f"{_messages(made.impossible)} left out: the header is too long to leave out other people"


def _messages(number: int) -> str:
    return f"{count(number)} {'message is' if number == 1 else 'messages are'}"


# --- with a second person ---------------------------------------------------------------------------------


def _is_used(subject: SubjectRequest, clearance: Clearance) -> bool:
    return any(one.record.approval == clearance.record.approval for one in subject.packages)


def _clearance(session: ClientSession, subject: SubjectRequest, plan: PackagePlan) -> Clearance | None:
    """A second person's consent to exactly this package by this caller; None if there is none to use."""
    now, by = time.time(), actor(session)
    for one in reversed(subject.clearances):
        record = one.record
        same = (record.undecided, record.listed, record.digest) == (plan.undecided, plan.listed, plan.digest)
        if same and one.by == by and now < one.time + GOOD and not _is_used(subject, one):
            return one
    return None


def _ask(
    session: ClientSession,
    vault: Vault,
    request: api.PackageSubject,
    subject: SubjectRequest,
    plan: PackagePlan,
) -> str:
    """Ask another administrator for a package; returns what to say."""
    of = {
        "request": subject.id, "name": subject.name, "undecided": plan.undecided, "listed": plan.listed,
        "digest": plan.digest, "messages": plan.included,
    }  # fmt: skip
    reason = subject.record.reason
    asked = ask_for_approval(session, vault, request, HAND_OVER, of, reason, role_here(session))
    return f"{asked.message} Then give this command again."


def _cleared(session: ClientSession, vault: Vault, approval: Approval) -> str:
    """Record that the package may be made by who asked for it."""
    of, by = approval.of, approval.by
    heads = [one for one in heads_of(vault) if one.id == of["request"]]
    if not heads:
        raise NotFound(f"There is no subject request {of['name']!r}.")
    (subject,) = loaded(vault, heads)
    value = step_value(
        "clear", subject.id, by,
        approval=approval.id, undecided=of["undecided"], listed=of["listed"], digest=of["digest"],
    )  # fmt: skip
    record_step(vault, subject, lambda: [value], list)
    return f"{by.who} may make the package of {subject.name!r} now, within 30 days, once."


def _says(of: dict[str, Any]) -> str:
    number = of["messages"]
    return f"hand over {count(number)} {'message' if number == 1 else 'messages'} of {of['name']!r}"


HAND_OVER = Act("hand over", _says, _cleared)
"""Hands over the package of a subject request."""

OPERATIONS = (
    Operation(
        api.PackageSubject, (api.ExportFile, api.Chunk, api.Step, api.Done), AccessRole.AUDITOR, package,
        streams=True, audit=AuditRule.WITHIN,
    ),
)  # fmt: skip

"""Answers Export for auditors and administrators: an export, or a production for a court or a tax office."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

from muniment import api
from muniment.archive.catalog.audit_keys import NUMBERED
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.operations.export import ExportChoice
from muniment.archive.operations.export_stream import StreamedFile
from muniment.archive.productions.bates import BatesNumbers, check_prefix, label, numbering
from muniment.archive.productions.edrm import EdrmForm
from muniment.archive.productions.forms import CsvForm, DatForm, LoadForm
from muniment.archive.productions.gobd import GobdForm
from muniment.archive.productions.packing import packed
from muniment.archive.productions.production import Production, ProductionView
from muniment.archive.vault.vault import Vault
from muniment.client.receiving import receive
from muniment.errors import UsageError
from muniment.service.access.audit_trail import PEOPLE, Event, audit_event
from muniment.service.access.roles import role_of
from muniment.service.host.session import ClientSession
from muniment.service.operations import reading
from muniment.service.operations.exports.export_steps import ExportSteps
from muniment.service.operations.reading import LOOK, choice_of, message_named, require_room
from muniment.system.formatting import count
from muniment.system.paths import as_path, readable

FORMS: dict[str, type[LoadForm]] = {"dat": DatForm, "csv": CsvForm, "edrm": EdrmForm, "gobd": GobdForm}
"""The forms of productions by name."""


def export(session: ClientSession, request: api.Export) -> Iterator[api.WireWord]:
    """Answer Export: an export, or with `form` a production."""
    if request.form or request.bates:
        return _produced(session, request)
    return reading.export(session, request)


def _produced(session: ClientSession, request: api.Export) -> Iterator[api.WireWord]:
    form = FORMS.get(request.form)
    if form is None:
        raise UsageError(f"{request.form!r} is no form of a production: use one of {', '.join(FORMS)}")
    prefix = request.bates or form.prefix
    check_prefix(prefix)
    path = Path(as_path(request.path))
    _check_path(path)
    words = _words(session, request, path, prefix, form)
    if session.caller.uid != os.geteuid():
        return words
    _check_free(path)  # before any number is reserved
    return receive(words, path)


def _check_path(path: Path) -> None:
    """Check the name of a production. Raises UsageError."""
    if path.name in ("", "..") or "\0" in str(path):
        raise UsageError(f"{str(path)!r} can't be the name of a production: name a new folder or .zip")
    if path.suffix.lower() == ".mbox":
        raise UsageError("a production is a folder or a .zip, not an mbox: name one of these")


def _check_free(path: Path) -> None:
    """Check that the place of a production is free. Raises UsageError."""
    try:
        if path.is_dir() and any(path.iterdir()):
            raise UsageError(f"{path} is not empty: name a new folder")
        if os.path.lexists(path) and not path.is_dir():
            raise UsageError(f"{path} exists already: name a new file")
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another place") from error


def _words(
    session: ClientSession, request: api.Export, path: Path, prefix: str, form: type[LoadForm]
) -> Iterator[api.WireWord]:
    with session.writing() as vault:
        view = ProductionView(vault, choice_of(vault, request), request.form, form)
        pages = view.pages()
        first = next(pages, [])  # errors in the query come before any number is reserved
        event = _event(session, vault, request)
        with (
            numbering(vault, prefix, event) as numbers,
            closing(_form(session, vault, form, view.choice)) as load,
        ):
            work, total = own_work(vault.folder), view.total
            production = Production(view, load, numbers, lambda done: _look(work, done))
            steps = ExportSteps()
            with closing(packed(production.pieces(chain([first], pages)), path)) as pieces:
                for piece in pieces:
                    if isinstance(piece, StreamedFile):
                        yield api.ExportFile(name=piece.name)
                    elif piece:
                        yield api.Chunk(data=piece)
                    yield from steps.due(production.messages, total)
            yield api.Done(message=_sentence(production, numbers, path), warnings=tuple(_warnings(view)))


def _form(session: ClientSession, vault: Vault, form: type[LoadForm], choice: ExportChoice) -> LoadForm:
    work = make_work(own_work(vault.folder))
    require_room(work)
    if form is GobdForm:
        settings = session.settings()
        supplier = settings.name or ", ".join(settings.domains)
        return GobdForm(work, supplier, choice.tz, choice.zone or "UTC")
    return form(work)


def _look(work: Path, done: int) -> None:
    """Check the free space of the vault's disk now and then. Raises VaultError."""
    if done % LOOK == 0:
        require_room(work)


def _event(session: ClientSession, vault: Vault, request: api.Export) -> Event:
    """What the events of a production's numbers say: who makes it, of which mail, why, and where."""
    owner = session.folder.stat().st_uid
    role = role_of(session.caller, session.settings().access, owner)
    rows = [message_named(vault, one) for one in request.ids]
    people = sorted(vault.catalog.holders(row.sequence for row in rows)) if rows else []
    event = audit_event(
        NUMBERED, session.caller, role, request, people=people if len(people) <= PEOPLE else []
    )
    event.pop("bates", None)  # it is the prefix
    return event


def _sentence(production: Production, numbers: BatesNumbers, path: Path) -> str:
    where = readable(str(path))
    if not production.documents:
        return f"The production in {where} has no documents."
    span = f"{label(numbers.prefix, numbers.first)} to {label(numbers.prefix, numbers.last)}"
    documents, messages = _counted(production.documents, "document"), _counted(production.messages, "message")
    return f"{documents} of {messages} in {where}, with the numbers {span}."


def _warnings(view: ProductionView) -> Iterator[str]:
    """What the person who makes a production must know of it."""
    if view.choice.without:
        yield "messages that are sealed from you, if there are any, are left out"
    if view.late:
        late = _counted(view.late, "message")
        yield f"{late} that the archive has kept may be missing, since the index lacks them: try again later"


def _counted(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"

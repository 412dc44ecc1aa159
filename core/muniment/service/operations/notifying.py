"""The word that tries whether people can be told."""

from __future__ import annotations

import time
from collections.abc import Iterator

from muniment import api
from muniment.config.model import Settings
from muniment.errors import ConfigError, MunimentError
from muniment.notify.model import Event
from muniment.notify.telling import Origin
from muniment.notify.ways import Way, ways
from muniment.service.access.roles import Role
from muniment.service.host.notify_tokens import Lent
from muniment.service.host.session import Session
from muniment.service.operations.operation import Operation


def origin(session: Session, settings: Settings) -> Origin:
    """Which archive speaks: by the organisation's name, else by its folder's."""
    return Origin(settings.name or session.folder.name or "Muniment", str(session.folder))


def test_notify(session: Session, request: api.TestNotify) -> Iterator[api.Word]:
    """Send a test message by every way; a way that does not work is a step that is not ok."""
    settings = session.settings()
    found = ways(settings.notify, session.folder, Lent())
    if not found:
        raise ConfigError("vault.toml names nobody to tell: add [notify] with mail, urls or a command to it")
    speaker, failed = origin(session, settings), 0
    for way in found:
        problem = _problem(way, speaker)
        failed += bool(problem)
        yield api.Step(text=problem or f"{way.name}: sent", ok=not problem)
    told = len(found) - failed
    yield api.Done(message=f"{told} of {len(found)} ways worked: look whether the message came.")


def _problem(way: Way, speaker: Origin) -> str:
    """Why a way did not work; "" where it did."""
    event = Event(
        kind="test",
        state="note",
        key="test",
        title="This is a test",
        text="So you are told when something is wrong with the archive. Nothing is, as far as this says.",
        time=int(time.time()),
    )
    try:
        way.send(event, speaker)
    except MunimentError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a library's fault is a way's failure, and may quote a secret
        return f"{way.name}: failed ({type(error).__name__})"
    return ""


OPERATIONS = (Operation(api.TestNotify, (api.Step, api.Done), Role.ADMINISTRATOR, test_notify, streams=True),)

"""Answers TestNotify."""

from __future__ import annotations

import time
from collections.abc import Iterator

from muniment import api
from muniment.config.model import Settings
from muniment.errors import ConfigError, MunimentError
from muniment.notify.model import NotifyEvent
from muniment.notify.telling import ArchiveOrigin
from muniment.notify.ways import NotifyWay, ways
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import Operation


def origin(session: ClientSession, settings: Settings) -> ArchiveOrigin:
    """The archive that sends a notification: the organisation's name, or the name of the vault's folder."""
    return ArchiveOrigin(settings.name or session.folder.name or "Muniment", str(session.folder))


def test_notify(session: ClientSession, request: api.TestNotify) -> Iterator[api.WireWord]:
    """Answer TestNotify: send a test message by every way. A way that fails is a step that is not ok.

    Raises:
        ConfigError: vault.toml names no way.
    """
    settings = session.settings()
    found = ways(settings.notify, session.folder)
    if not found:
        raise ConfigError(
            "vault.toml has no way to notify anybody: add [notify] with mail, urls or a command to it"
        )
    sender, failed = origin(session, settings), 0
    for way in found:
        problem = _problem(way, sender)
        failed += bool(problem)
        yield api.Step(text=problem or f"{way.name}: sent", ok=not problem)
    sent = len(found) - failed
    advice = "check that the message arrived" if sent else "correct the settings, and test again"
    yield api.Done(message=f"{sent} of {len(found)} ways worked: {advice}.")


def _problem(way: NotifyWay, sender: ArchiveOrigin) -> str:
    """Send a test message by a way; returns why that failed, or ""."""
    event = NotifyEvent(
        kind="test",
        state="note",
        key="test",
        title="This is a test",
        text="Muniment sends such a message if something is wrong with the archive. This one is only a test.",
        time=int(time.time()),
    )
    try:
        way.send(event, sender)
    except MunimentError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - any error of a library fails the way; its text may contain a secret
        return f"{way.name}: failed ({type(error).__name__})"
    return ""


OPERATIONS = (
    Operation(api.TestNotify, (api.Step, api.Done), AccessRole.ADMINISTRATOR, test_notify, streams=True),
)

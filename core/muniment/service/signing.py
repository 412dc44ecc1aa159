"""The word that lets a person sign in for a mailbox that is opened with their tokens."""

from __future__ import annotations

from collections.abc import Iterator

from muniment import api
from muniment.errors import ConfigError
from muniment.service.profiles import find, grant_of
from muniment.service.session import Session
from muniment.service.testing import live
from muniment.sources import oauth


def sign_in(session: Session, request: api.SignIn) -> Iterator[api.Word]:
    """Let the person of a mailbox sign in by a code; Steps say where and with which code."""
    profile = find(session.settings(), request.name)
    if profile.auth_by != "device":
        raise ConfigError(f'profile {profile.name!r} signs nobody in: that is for auth = "device"')
    grant = grant_of(profile, session.folder, None)
    yield from live(lambda say: oauth.sign_in(grant, lambda text: say(api.Step(text=text))), session.stopping)
    yield api.Done(message=f"Signed in; try it with `muniment profile test {profile.name}`.")

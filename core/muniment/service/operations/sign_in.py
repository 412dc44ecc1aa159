"""Answers SignIn: the owner of a mailbox signs in with a code."""

from __future__ import annotations

from collections.abc import Iterator

from muniment import api
from muniment.errors import ConfigError
from muniment.net import oauth
from muniment.notify.online import notify_grant
from muniment.service.access.roles import AccessRole
from muniment.service.host.profile_source import find, grant_of
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import Operation
from muniment.service.operations.profile_test import live


def sign_in(session: ClientSession, request: api.SignIn) -> Iterator[api.WireWord]:
    """Answer SignIn. A Step says where to sign in and with which code."""
    if request.notify:
        yield from _sign_in_to_notify(session)
        return
    profile = find(session.settings(), request.name)
    if profile.auth_by != "device":
        raise ConfigError(f'profile {profile.name!r} needs no sign-in: only auth = "device" does')
    grant = grant_of(profile, session.folder, None)
    yield from _signed_in(session, grant)
    yield api.Done(message=f"Signed in; test it with `muniment profile test {profile.name}`.")


def _sign_in_to_notify(session: ClientSession) -> Iterator[api.WireWord]:
    """Sign in for the mailbox that [notify.mail] sends from."""
    mail = session.settings().notify.mail
    if mail.auth != "device":
        raise ConfigError('notify.mail needs no sign-in: only auth = "device" does')
    yield from _signed_in(session, notify_grant(mail, session.folder, None))
    yield api.Done(message="Signed in; test it with `muniment notify test`.")


def _signed_in(session: ClientSession, grant: oauth.TokenGrant) -> Iterator[api.WireWord]:
    yield from live(lambda say: oauth.sign_in(grant, lambda text: say(api.Step(text=text))), session.stopping)


OPERATIONS = (Operation(api.SignIn, (api.Step, api.Done), AccessRole.ADMINISTRATOR, sign_in, streams=True),)

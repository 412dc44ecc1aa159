"""The word that tries a profile, saved or not: how far it gets, step by step."""

from __future__ import annotations

import hashlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace

from muniment import api
from muniment.config.check import check
from muniment.config.file import profile_of
from muniment.config.model import Profile
from muniment.errors import CertificateRefused, SourceError, VaultError
from muniment.profiles.fields import KIND
from muniment.runs.pipeline.refusals import Refusals
from muniment.service.access.roles import Role
from muniment.service.host.profile_source import endpoint_of, find, password_of
from muniment.service.host.session import Session
from muniment.service.host.untested_profiles import drafts, release
from muniment.service.operations.operation import Operation
from muniment.sources.base import Choosing, Deleting, Partial, Refusal, Remarking
from muniment.sources.endpoint import Connected, Endpoint, Event, LeftOut, LoggedIn, Secured, Waiting
from muniment.sources.factory import open_source
from muniment.sources.network import look_up
from muniment.system.sanitise import clean

SHOWN = 100_000
"""A test counts at most so many messages."""
SHOWN_NAMES = 5
"""Mailboxes that a test names of those that are left out."""
TIMEOUT = 30.0
"""Seconds that a network operation of a test may take at most: somebody is waiting for it."""
PATIENCE = 120.0
"""Seconds in all that a test waits for a server which wants to be left alone; a run waits up to an hour."""
NO_PIN = "0" * 64
"""The fingerprint of no certificate: with it a server's is seen, and neither name nor password sent."""

AWAKE = 0.5
"""Seconds between two looks at whether the service is stopping."""

Say = Callable[[api.Word], None]


def test_profile(session: Session, request: api.TestProfile) -> Iterator[api.Word]:
    """Reach a mailbox and count what is in it; fetches and deletes nothing."""
    profile = _asked(session, request)
    check(profile)
    password = request.password or password_of(profile, session.folder)
    had = ", its password can be had" if password else ""
    yield api.Step(text=f"profile {profile.name} is complete{had}")
    endpoint = endpoint_of(profile, session.folder, password)
    endpoint = replace(endpoint, timeout=min(endpoint.timeout, TIMEOUT))
    yield from live(lambda say: _try(endpoint, say, profile.delete_on), session.stopping)
    if told := _passed(session, request, profile):
        yield api.Step(text=told)
    yield api.Done(message=f"Profile {profile.name} works.")


def _passed(session: Session, request: api.TestProfile, profile: Profile) -> str:
    """Remember that a profile was tested; returns whether it runs by itself now, where that is news."""
    if request.fields is not None:
        drafts.passed(profile, request.password)
        return ""
    released = release(session.settings_path, profile)
    if not profile.enabled:
        how = f"`muniment profile edit {profile.name} --enabled`"
        return f"it runs by hand only: {how} has it run by itself"
    return f"it runs by itself from now on, every {profile.every} s" if released else ""


def _asked(session: Session, request: api.TestProfile) -> Profile:
    """The profile to try: as it is saved, or as it is sent."""
    if request.fields is None:
        return find(session.settings(), request.name)
    fields = dict(request.fields)
    if request.password:
        fields["password"] = {"file": "not kept yet"}
    return profile_of(request.name, fields)


def live(work: Callable[[Say], None], stopping: Callable[[], bool]) -> Iterator[api.Word]:
    """What `work` says, as it says it; it works in a thread, since it may wait for the network, or a person.

    Whoever stops listening does not wait for it, nor does a service that is `stopping`: it ends by itself.

    Raises:
        VaultError: the service is stopping.
    """
    said: queue.Queue[api.Word | BaseException | None] = queue.Queue()

    def run() -> None:
        try:
            work(said.put)
        except BaseException as error:  # noqa: BLE001 - raised anew where it is listened to
            said.put(error)
        else:
            said.put(None)

    threading.Thread(target=run, name="test-profile", daemon=True).start()
    while (word := _heard(said, stopping)) is not None:
        if isinstance(word, BaseException):
            raise word
        yield word


def _heard(
    said: queue.Queue[api.Word | BaseException | None], stopping: Callable[[], bool]
) -> api.Word | BaseException | None:
    while not stopping():
        with suppress(queue.Empty):
            return said.get(timeout=AWAKE)
    raise VaultError("the service is stopping: start it again, and repeat this")


def _try(endpoint: Endpoint, say: Say, deletes: bool) -> None:
    """Get in, list, see whether it could be deleted from where the profile `deletes`, and hang up.

    Raises:
        SourceError: it did not go well; of a certificate that was refused, `say` has told before.
    """
    seen: list[Secured] = []
    if KIND[endpoint.kind].server:
        say(api.Step(text=f"{endpoint.host} is {', '.join(look_up(endpoint))}"))
    watched = replace(endpoint, on_event=lambda event: _tell(endpoint, event, say, seen))
    with closing(open_source(watched, sleep=_Waits(endpoint))) as source:
        try:
            source.connect()
        except CertificateRefused:
            if not seen and endpoint.secured_by != "none":
                _peek(endpoint, say)
            raise
        if not KIND[endpoint.kind].server:
            say(api.Step(text=f"{endpoint.path} is there"))
        count = sum(1 for _ in itertools.islice(source.listing(), SHOWN))
        passed = source.passed_over() if isinstance(source, Choosing) else []
        remarks = source.remarks() if isinstance(source, Remarking) else []
        refused = Refusals()
        refused.add(source.refusals() if isinstance(source, Partial) else ())
        if deletes and isinstance(source, Deleting) and (reason := source.undeletable()):
            refused.add([Refusal("", reason, deleting=True)])
    more = " or more" if count == SHOWN else ""
    say(api.Step(text=f"listed {count:,}{more} {'message' if count == 1 else 'messages'}"))
    for one in passed:
        names = [*map(clean, one.examples), *(["..."] if one.count > len(one.examples) else [])]
        each = "each " if one.count > 1 else ""
        say(api.Step(text=f"passed over {one.count:,} ({each}{clean(one.reason)}): {', '.join(names)}"))
    for remark in remarks:
        say(api.Step(text=remark))
    if told := refused.sentences():
        raise SourceError(" ".join(told))


def _tell(endpoint: Endpoint, event: Event, say: Say, seen: list[Secured]) -> None:
    """Say how far it has come; a connection that is opened again says it again."""
    if isinstance(event, Connected):
        say(api.Step(text=f"connected to {event.address}, port {endpoint.port_number}"))
    elif isinstance(event, Waiting):
        say(api.Step(text=f"waiting for {event.seconds:g} s: {event.reason.rstrip('.')}"))
    elif isinstance(event, LoggedIn):
        say(api.Step(text=f"logged in as {endpoint.mailbox or 'the application'}"))
    elif isinstance(event, LeftOut):
        named = ", ".join(clean(name) for name in event.names[:SHOWN_NAMES])
        more = f" and {len(event.names) - SHOWN_NAMES:,} more" if len(event.names) > SHOWN_NAMES else ""
        say(api.Step(text=f"left out: {len(event.names):,} {event.kind} ({named}{more})"))
    elif isinstance(event, Secured):
        seen.append(event)
        shown = certificate(event, endpoint)
        if shown.trusted:
            how = "STLS" if endpoint.secured_by == "starttls" else "TLS"
            say(api.Step(text=f"the line is secured by {how} ({event.protocol})"))
        say(shown)


def _peek(endpoint: Endpoint, say: Say) -> None:
    """Tell of the certificate that was refused; no name or password is sent."""

    def on_event(event: Event) -> None:
        if isinstance(event, Secured):
            say(certificate(event, endpoint, refused=True))

    unpinned = replace(endpoint, fingerprint=NO_PIN, ca_file="", on_event=on_event)
    with suppress(SourceError), closing(open_source(unpinned, sleep=_give_up)) as source:
        source.connect()


class _Waits:
    """Waits as a run does, but not for longer than a person does who looks on."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._left = PATIENCE

    def __call__(self, seconds: float) -> None:
        """Wait. Raises SourceError where it would be too long."""
        self._left -= seconds
        if self._left < 0:
            raise SourceError(
                f"{self._endpoint.host} wants to be left alone for {seconds:.0f} s, which a run waits for "
                "and a test does not: test it again later."
            )
        time.sleep(seconds)


def _give_up(seconds: float) -> None:
    raise SourceError("A certificate is looked at once.")


def certificate(event: Secured, endpoint: Endpoint, refused: bool = False) -> api.Certificate:
    """A server's certificate in words; what can't be read in it is left empty."""
    from cryptography import x509

    fingerprint = hashlib.sha256(event.certificate).hexdigest()
    pin = endpoint.fingerprint.replace(":", "").lower()
    subject = issuer = ""
    expires, own = 0, False
    with suppress(ValueError, TypeError, x509.UnsupportedGeneralNameType):
        found = x509.load_der_x509_certificate(event.certificate)
        expires = int(found.not_valid_after_utc.timestamp())
        subject, issuer = found.subject.rfc4514_string(), found.issuer.rfc4514_string()
        own = found.subject == found.issuer
    return api.Certificate(
        subject=subject,
        issuer=issuer,
        expires=expires,
        fingerprint=fingerprint,
        self_signed=own,
        trusted=not refused and pin in ("", fingerprint),
    )


OPERATIONS = (
    Operation(
        api.TestProfile, (api.Step, api.Certificate, api.Done), Role.ADMINISTRATOR, test_profile, streams=True
    ),
)

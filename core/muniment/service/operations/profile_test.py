"""Answers TestProfile: connects to a mailbox, saved or not, and reports each step."""

from __future__ import annotations

import hashlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial

from muniment import api
from muniment.config.check import check
from muniment.config.file import profile_of
from muniment.config.model import Profile
from muniment.errors import CertificateRefused, SourceError, VaultError
from muniment.net.dial import look_up
from muniment.net.events import LineSecured, LoggedIn, ServerConnected, ServerPause
from muniment.runs.pipeline.refusals import RefusalCollector
from muniment.service.access.roles import AccessRole
from muniment.service.host.profile_source import endpoint_of, find, password_of
from muniment.service.host.session import ClientSession
from muniment.service.host.untested_profiles import drafts, release
from muniment.service.operations.operation import Operation
from muniment.sources.base import (
    DeletingSource,
    PartialSource,
    RemarkingSource,
    SkippingSource,
    SourceRefusal,
)
from muniment.sources.endpoint import Endpoint, Event, FileEndpoint, MailboxesLeftOut, ServerEndpoint
from muniment.sources.factory import open_source
from muniment.system.sanitise import clean

SHOWN = 100_000
"""How many messages a test counts at most."""
SHOWN_NAMES = 5
"""How many names a test shows of what is left out."""
TIMEOUT = 30.0
"""Longest time of a network operation, in seconds. It is shorter than in a run, since a person waits."""
PATIENCE = 120.0
"""Seconds in all that a test waits when a server asks to be called later; a run waits up to an hour."""
NO_PIN = "0" * 64
"""A fingerprint that no certificate has: the server's certificate is seen and refused, and no password is
sent."""

AWAKE = 0.5
"""Seconds between two checks whether the service is stopping."""

Say = Callable[[api.WireWord], None]


def test_profile(session: ClientSession, request: api.TestProfile) -> Iterator[api.WireWord]:
    """Answer TestProfile: connect to a mailbox and count its messages. Nothing is fetched or deleted."""
    profile = _profile_to_test(session, request)
    check(profile)
    password = request.password or password_of(profile, session.folder)
    available = "; the password is available" if password else ""
    yield api.Step(text=f"profile {profile.name} is complete{available}")
    endpoint = endpoint_of(profile, session.folder, password)
    if isinstance(endpoint, ServerEndpoint):
        endpoint = replace(endpoint, timeout=min(endpoint.timeout, TIMEOUT))
    yield from live(lambda say: _try(endpoint, say, profile.delete_on), session.stopping)
    if effect := _passed(session, request, profile):
        yield api.Step(text=effect)
    yield api.Done(message=f"Profile {profile.name} works.")


def _passed(session: ClientSession, request: api.TestProfile, profile: Profile) -> str:
    """Store that a profile passed its test; returns a sentence on its schedule, or ""."""
    if request.fields is not None:
        drafts.passed(profile, request.password)
        return ""
    released = release(session.settings_path, profile)
    if not profile.enabled:
        return "it runs by hand only, until a person lets the service run it"
    return f"the service runs it from now on, every {profile.every} s" if released else ""


def _profile_to_test(session: ClientSession, request: api.TestProfile) -> Profile:
    """The saved profile, or the one that the request contains."""
    if request.fields is None:
        return find(session.settings(), request.name)
    fields = dict(request.fields)
    if request.password:
        fields["password"] = {"file": "not stored yet"}
    return profile_of(request.name, fields)


def live(work: Callable[[Say], None], stopping: Callable[[], bool]) -> Iterator[api.WireWord]:
    """Run `work` in a thread, since it may wait, and yield its replies as they come.

    If the iterator is closed, or the service stops, the thread is left to end by itself.

    Args:
        work: is called with a function that takes each reply.
        stopping: whether the service is stopping.

    Raises:
        VaultError: the service is stopping.
        BaseException: what `work` raises.
    """
    replies: queue.Queue[api.WireWord | BaseException | None] = queue.Queue()

    def run() -> None:
        try:
            work(replies.put)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that reads the replies
            replies.put(error)
        else:
            replies.put(None)

    threading.Thread(target=run, name="test-profile", daemon=True).start()
    while (reply := _next_reply(replies, stopping)) is not None:
        if isinstance(reply, BaseException):
            raise reply
        yield reply


def _next_reply(
    replies: queue.Queue[api.WireWord | BaseException | None], stopping: Callable[[], bool]
) -> api.WireWord | BaseException | None:
    while not stopping():
        with suppress(queue.Empty):
            return replies.get(timeout=AWAKE)
    raise VaultError("the service is stopping: start it again, and repeat this")


def _try(endpoint: Endpoint, say: Say, deletes: bool) -> None:
    """Connect, list, and check that mail could be deleted if the profile `deletes`.

    Raises:
        SourceError: a step failed. A certificate that was refused has been sent before.
    """
    seen: list[LineSecured] = []
    watched = endpoint
    if isinstance(endpoint, ServerEndpoint):
        say(api.Step(text=f"{endpoint.host} is {', '.join(look_up(endpoint))}"))
        watched = replace(endpoint, on_event=partial(_report, endpoint, say, seen))
    with closing(open_source(watched, sleep=_Waits(endpoint))) as source:
        try:
            source.connect()
        except CertificateRefused:
            if isinstance(endpoint, ServerEndpoint) and not seen and endpoint.secured_by != "none":
                _show_certificate(endpoint, say)
            raise
        if isinstance(endpoint, FileEndpoint):
            say(api.Step(text=f"{endpoint.path} exists"))
        count = sum(1 for _ in itertools.islice(source.listing(), SHOWN))
        passed = source.passed_over() if isinstance(source, SkippingSource) else []
        remarks = source.remarks() if isinstance(source, RemarkingSource) else []
        refused = RefusalCollector()
        refused.add(source.refusals() if isinstance(source, PartialSource) else ())
        if deletes and isinstance(source, DeletingSource) and (reason := source.undeletable()):
            refused.add([SourceRefusal("", reason, deleting=True)])
    more = " or more" if count == SHOWN else ""
    say(api.Step(text=f"listed {count:,}{more} {'message' if count == 1 else 'messages'}"))
    for one in passed:
        names = [*map(clean, one.examples), *(["..."] if one.count > len(one.examples) else [])]
        each = "each " if one.count > 1 else ""
        say(api.Step(text=f"passed over {one.count:,} ({each}{clean(one.reason)}): {', '.join(names)}"))
    for remark in remarks:
        say(api.Step(text=remark))
    if problems := refused.sentences():
        raise SourceError(" ".join(problems))


def _report(endpoint: ServerEndpoint, say: Say, seen: list[LineSecured], event: Event) -> None:
    """Send a reply for a connection event. A connection that is opened again sends it again."""
    if isinstance(event, ServerConnected):
        say(api.Step(text=f"connected to {event.address}, port {endpoint.port_number}"))
    elif isinstance(event, ServerPause):
        say(api.Step(text=f"waiting for {event.seconds:g} s: {event.reason.rstrip('.')}"))
    elif isinstance(event, LoggedIn):
        say(api.Step(text=f"logged in as {endpoint.mailbox or 'the application'}"))
    elif isinstance(event, MailboxesLeftOut):
        named = ", ".join(clean(name) for name in event.names[:SHOWN_NAMES])
        more = f" and {len(event.names) - SHOWN_NAMES:,} more" if len(event.names) > SHOWN_NAMES else ""
        say(api.Step(text=f"left out: {len(event.names):,} {event.kind} ({named}{more})"))
    elif isinstance(event, LineSecured):
        seen.append(event)
        shown = certificate(event, endpoint)
        if shown.trusted:
            how = "STLS" if endpoint.secured_by == "starttls" else "TLS"
            say(api.Step(text=f"the connection is secured by {how} ({event.protocol})"))
        say(shown)


def _show_certificate(endpoint: ServerEndpoint, say: Say) -> None:
    """Connect again to show the client the refused certificate. No password is sent."""

    def on_event(event: Event) -> None:
        if isinstance(event, LineSecured):
            say(certificate(event, endpoint, refused=True))

    unpinned = replace(endpoint, fingerprint=NO_PIN, ca_file="", on_event=on_event)
    with suppress(SourceError), closing(open_source(unpinned, sleep=_give_up)) as source:
        source.connect()


class _Waits:
    """Waits between two attempts like a run, but for at most `patience` seconds in all."""

    def __init__(self, endpoint: Endpoint, patience: float = PATIENCE) -> None:
        self._server = endpoint.host if isinstance(endpoint, ServerEndpoint) else endpoint.kind
        self._left = patience

    def __call__(self, seconds: float) -> None:
        """Wait for `seconds`. Raises SourceError if that is too long."""
        self._left -= seconds
        if self._left < 0:
            raise SourceError(
                f"{self._server} asks to wait for {seconds:.0f} s, which is too long for a test "
                "(a run waits): test it again later."
            )
        time.sleep(seconds)


def _give_up(seconds: float) -> None:
    raise SourceError("The certificate is requested only once.")


def certificate(event: LineSecured, endpoint: ServerEndpoint, refused: bool = False) -> api.Certificate:
    """A server's certificate as a reply; "" or 0 for what can't be read."""
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
        api.TestProfile,
        (api.Step, api.Certificate, api.Done),
        AccessRole.ADMINISTRATOR,
        test_profile,
        streams=True,
    ),
)

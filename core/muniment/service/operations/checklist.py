"""The words about set-up: how the checklist stands, its values, its checks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment import api
from muniment.config.check import listen_address
from muniment.config.edit import put_profile, set_values
from muniment.config.model import Profile, Settings
from muniment.service.access.audit_trail import event
from muniment.service.access.roles import Role
from muniment.service.host import untested_profiles
from muniment.service.host.session import Session
from muniment.service.operations import profile_test
from muniment.service.operations.first_report import situation_of
from muniment.service.operations.gateway_state import gateway_troubles
from muniment.service.operations.health import health
from muniment.service.operations.operation import Operation
from muniment.setup import dns, smtp, store, units
from muniment.setup.checks import moment
from muniment.setup.fields import changes, step_fields
from muniment.setup.model import Finding, Situation, State, Verdict, outcome
from muniment.setup.steps import STEPS, Step, affirm, find, findings, inputs, standing

SMTP_PORT = 25
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what it means to listen there
_checking: dict[Path, list[str]] = {}
"""The steps that are being checked now, by vault."""
_lock = threading.Lock()


class Outside:
    """The outside world, for checks (see setup.model.Probes)."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def exchangers(self, domain: str) -> list[str]:
        """The mail exchangers of a domain."""
        return dns.exchangers(domain, self._settings.journaling.resolver)

    def addresses(self, host: str) -> list[str]:
        """The IP addresses of a mail exchanger."""
        return dns.addresses(host, self._settings.journaling.resolver)

    def delivers(self, host: str, ip: str, address: str) -> Iterator[Finding]:
        """Whether another's mail server takes mail for an address."""
        return smtp.delivers(ip, SMTP_PORT, address, host)

    def gateway(self, address: str, name: str) -> Iterator[Finding]:
        """Whether the embedded gateway does; it is asked on this machine."""
        host, port = listen_address(self._settings.gateway.listen)
        networks = self._settings.gateway.networks
        local = _ANY.get(host, host)
        admitted = smtp.admits(networks, local)
        return smtp.delivers(local, port, address, name, own=True, admitted=admitted)

    def mailbox(self, profile: Profile) -> Iterator[Finding]:
        """Whether a profile's mailbox can be reached and logged in to."""
        for word in profile_test.test_profile(self._session, api.TestProfile(name=profile.name)):
            if isinstance(word, api.Step):
                yield Finding(
                    f"{word.text[:1].upper()}{word.text[1:]}.", Verdict.FINE if word.ok else Verdict.WRONG
                )
            elif isinstance(word, api.Certificate):
                yield _certificate(word)
            elif isinstance(word, api.Done):
                yield Finding(word.message)

    def units(self) -> Iterator[Finding]:
        """Whether the system starts the service."""
        return units.units()


def get_setup(session: Session, request: api.GetSetup) -> api.Setup:
    """The checklist as it stands."""
    with session.reading() as vault:
        situation = situation_of(session, vault)
        told = health(vault, situation) if situation.arrival else ()
    told = (*told, *gateway_troubles(session.folder, situation.settings))
    memory = store.load(session.folder)
    outside = Outside(session, situation.settings)
    steps = tuple(_word(session, step, memory, situation, outside) for step in STEPS)
    return api.Setup(steps=steps, platform=situation.settings.journaling.platform, health=told)


def put_setup(session: Session, request: api.PutSetup) -> api.Setup:
    """Write values into vault.toml: those of the vault, then those of the archive profile."""
    situation = _situation(session)
    wanted = changes(request.values, situation)
    name = wanted.settings.pop("journaling.profile", None)
    if wanted.settings:
        set_values(session.settings_path, wanted.settings)
    if wanted.name and (wanted.new or wanted.profile):
        known = [one for one in situation.settings.profiles if one.name == wanted.name]
        fields = untested_profiles.marked(known[0] if known else None, wanted.profile, wanted.name)
        put_profile(session.settings_path, wanted.name, fields, wanted.new)
    if name and name != situation.settings.journaling.profile:
        set_values(session.settings_path, {"journaling.profile": name})
    session.record_settings()
    return get_setup(session, api.GetSetup())


def affirm_setup(session: Session, request: api.AffirmSetup) -> api.Setup:
    """Remember an administrator's word, or that it was taken back; the audit trail has both."""
    step, situation = find(request.step), _situation(session)
    outside = Outside(session, situation.settings)
    word = affirm(step, situation, outside, session.caller.name) if request.done else None
    kind = "affirmed" if word else "withdrawn"
    said = event(kind, session.caller, Role.ADMINISTRATOR, request, step=step.key, said=step.affirmed)
    with session.writing() as vault:
        vault.log([said])
    with _lock:
        memory = store.load(session.folder)
        memory.affirm(step.key, word)
        store.save(session.folder, memory)
    return get_setup(session, api.GetSetup())


def check_setup(session: Session, request: api.CheckSetup) -> Iterator[api.Word]:
    """Check one step, or all of them one after another."""
    steps = [find(request.step)] if request.step else list(STEPS)
    for step in steps:
        yield from _checked(session, step)
    yield get_setup(session, api.GetSetup())


def _checked(session: Session, step: Step) -> Iterator[api.Word]:
    """One check, its findings as they come, and the step before and after it."""
    situation = _situation(session)
    outside = Outside(session, situation.settings)
    found: list[Finding] = []
    with _announced(session.folder, step.key):
        yield _word(session, step, store.load(session.folder), situation, outside)
        for finding in findings(step, situation, outside):
            found.append(finding)
            yield api.SetupFinding(text=finding.text, verdict=finding.verdict.value)
        with _lock:
            memory = store.load(session.folder)
            memory.checked(step.key, outcome(found, situation.now), inputs(step, situation))
            store.save(session.folder, memory)
    yield _word(session, step, memory, situation, outside)


def _certificate(word: api.Certificate) -> Finding:
    until = moment(word.expires)
    if word.trusted and word.expires < time.time() + smtp.EXPIRY_DAYS * 86400:
        return Finding(f"Its certificate ends on {until}: have it renewed.", Verdict.NOTE)
    return Finding(f"Its certificate is of {word.subject}, and good until {until}.")


@contextmanager
def _announced(folder: Path, step: str) -> Iterator[None]:
    """While it lasts, everybody sees the step as being checked."""
    with _lock:
        _checking.setdefault(folder, []).append(step)
    try:
        yield
    finally:
        with _lock:
            _checking[folder].remove(step)


def _situation(session: Session) -> Situation:
    with session.reading() as vault:
        return situation_of(session, vault)


def _word(
    session: Session, step: Step, memory: store.Memory, situation: Situation, outside: Outside
) -> api.SetupStep:
    stands = standing(step, memory.of(step.key), situation, outside)
    checking = step.key in _checking.get(session.folder, ())
    return api.SetupStep(
        key=step.key,
        title=step.title,
        state=State.CHECKING.value if checking else stands.state.value,
        guide=step.guide(situation),
        command=step.command(situation) if step.command else "",
        language=step.language,
        detail=stands.detail,
        proven=stands.proven,
        affirm=step.affirmed,
        affirmed=stands.affirmed.time if stands.affirmed else 0,
        affirmed_by=stands.affirmed.by if stands.affirmed else "",
        fields=tuple(
            api.SetupField(name=one.name, label=one.label, value=value, choices=one.choices, hint=one.hint)
            for one, value in step_fields(step.key, situation)
        ),
    )


OPERATIONS = (
    Operation(api.GetSetup, (api.Setup,), Role.ADMINISTRATOR, get_setup),
    Operation(api.PutSetup, (api.Setup,), Role.ADMINISTRATOR, put_setup),
    Operation(api.AffirmSetup, (api.Setup,), Role.ADMINISTRATOR, affirm_setup),
    Operation(
        api.CheckSetup,
        (api.SetupStep, api.SetupFinding, api.Setup),
        Role.ADMINISTRATOR,
        check_setup,
        streams=True,
    ),
)

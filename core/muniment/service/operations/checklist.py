"""Answers the requests about set-up: the checklist, its settings, confirmations and checks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.config.check import listen_address
from muniment.config.edit import put_profile, set_values
from muniment.config.model import Profile, Settings
from muniment.service.access.audit_trail import audit_event
from muniment.service.access.roles import AccessRole
from muniment.service.host import untested_profiles
from muniment.service.host.gateway_keeper import keeper_of
from muniment.service.host.session import ClientSession
from muniment.service.operations import profile_test
from muniment.service.operations.first_report import situation_of
from muniment.service.operations.gateway_state import gateway_troubles
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.report_problems import report_problems, sentences
from muniment.setup import dns, smtp, store, units
from muniment.setup.acts import acts, suggested
from muniment.setup.checks import moment
from muniment.setup.fields import changes, step_fields
from muniment.setup.model import CheckFinding, FindingVerdict, SetupSituation, StepState, outcome
from muniment.setup.steps import STEPS, StepDefinition, affirm, find, findings, inputs, standing

SMTP_PORT = 25
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the addresses to connect to instead
_checking: dict[Path, list[str]] = {}
"""Keys of the steps that are being checked now, by the vault's folder."""
_lock = threading.Lock()


class OutsideProbes:
    """DNS, mail servers, mailboxes and systemd, for checks. Implements `setup.model.SetupProbes`."""

    def __init__(self, session: ClientSession, settings: Settings, port: int = SMTP_PORT) -> None:
        """`port` is that of other mail servers."""
        self._session = session
        self._settings = settings
        self._port = port

    def exchangers(self, domain: str) -> list[str]:
        return dns.exchangers(domain, self._settings.journaling.resolver)

    def addresses(self, host: str) -> list[str]:
        return dns.addresses(host, self._settings.journaling.resolver)

    def delivers(self, host: str, ip: str, address: str) -> Iterator[CheckFinding]:
        return smtp.delivers(ip, self._port, address, host)

    def gateway(self, address: str, name: str) -> Iterator[CheckFinding]:
        host, port = listen_address(self._settings.gateway.listen)
        networks = self._settings.gateway.networks
        local = _ANY.get(host, host)
        if wrong := self._not_ours(local, port):
            yield CheckFinding(wrong, FindingVerdict.WRONG)
            return
        admitted = smtp.admits(networks, local)
        yield from smtp.delivers(local, port, address, name, own=True, admitted=admitted)

    def _not_ours(self, host: str, port: int) -> str:
        """Why the gateway of this service does not answer on its port, and who does; "" if it does."""
        keeper = keeper_of(self._session.folder)
        if keeper is None:
            return ""
        keeper.follow()  # the settings may have been saved a moment ago
        if problem := keeper.problem:
            greeting = smtp.greeting_of(host, port)
            answers = f' What answers there is not Muniment: "{greeting}".' if greeting else ""
            return f"{problem[:1].upper()}{problem[1:]}.{answers}"
        if keeper.inherited and keeper.inherited[1] != port:
            return (
                f"systemd has opened port {keeper.inherited[1]} for the gateway, and vault.toml says port "
                f"{port}: install the service again (muniment service install --force), or correct the port."
            )
        return ""

    def mailbox(self, profile: Profile) -> Iterator[CheckFinding]:
        for reply in profile_test.test_profile(self._session, api.TestProfile(name=profile.name)):
            if isinstance(reply, api.Step):
                yield CheckFinding(
                    f"{reply.text[:1].upper()}{reply.text[1:]}.",
                    FindingVerdict.FINE if reply.ok else FindingVerdict.WRONG,
                )
            elif isinstance(reply, api.Certificate):
                yield _certificate(reply)
            elif isinstance(reply, api.Done):
                yield CheckFinding(reply.message)

    def units(self) -> Iterator[CheckFinding]:
        return units.units()


def get_setup(session: ClientSession, request: api.GetSetup) -> api.Setup:
    """Answer GetSetup: the checklist in its current state."""
    with session.reading() as vault:
        situation = situation_of(session, vault)
        problems = _problems(vault, situation) if situation.arrival else ()
    problems = (*problems, *gateway_troubles(session.folder, situation.settings))
    memory = store.load(session.folder)
    outside = OutsideProbes(session, situation.settings)
    steps = tuple(_step_state(session, step, memory, situation, outside) for step in STEPS)
    known = suggested(situation)
    return api.Setup(
        steps=steps,
        platform=situation.settings.journaling.platform,
        health=problems,
        profile=api.SetupProfile(
            name=known.name, exists=known.exists, kinds=known.kinds, values=known.values
        ),
    )


def _problems(vault: Vault, situation: SetupSituation) -> tuple[str, ...]:
    found = report_problems(vault, situation.settings, situation.now)
    return sentences(found, situation.settings.journaling.quiet_days)


def progress(session: ClientSession, vault: Vault) -> tuple[int, int]:
    """How many steps of set-up are done, and how many there are."""
    situation, memory = situation_of(session, vault), store.load(session.folder)
    outside = OutsideProbes(session, situation.settings)
    states = [standing(step, memory.of(step.key), situation, outside).state for step in STEPS]
    return states.count(StepState.DONE), len(STEPS)


def put_setup(session: ClientSession, request: api.PutSetup) -> api.Setup:
    """Answer PutSetup: write settings to vault.toml, first the vault's, then the archive profile's."""
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


def affirm_setup(session: ClientSession, request: api.AffirmSetup) -> api.Setup:
    """Answer AffirmSetup: store or withdraw a confirmation. Both are in the audit trail."""
    step, situation = find(request.step), _situation(session)
    outside = OutsideProbes(session, situation.settings)
    affirmed = affirm(step, situation, outside, session.caller.name) if request.done else None
    kind = "affirmed" if affirmed else "withdrawn"
    detail = {"step": step.key, "said": step.affirmed}
    recorded = audit_event(kind, session.caller, AccessRole.ADMINISTRATOR, request, **detail)
    with session.writing() as vault:
        vault.log([recorded])
    with _lock:
        memory = store.load(session.folder)
        memory.affirm(step.key, affirmed)
        store.save(session.folder, memory)
    return get_setup(session, api.GetSetup())


def check_setup(session: ClientSession, request: api.CheckSetup) -> Iterator[api.WireWord]:
    """Answer CheckSetup: check one step, or all of them one after another."""
    steps = [find(request.step)] if request.step else list(STEPS)
    for step in steps:
        yield from _checked(session, step)
    yield get_setup(session, api.GetSetup())


def _checked(session: ClientSession, step: StepDefinition) -> Iterator[api.WireWord]:
    """Check a step: yield it as "checking", each finding, and its new state."""
    situation = _situation(session)
    outside = OutsideProbes(session, situation.settings)
    found: list[CheckFinding] = []
    with _announced(session.folder, step.key):
        yield _step_state(session, step, store.load(session.folder), situation, outside)
        for finding in findings(step, situation, outside):
            found.append(finding)
            yield api.SetupFinding(text=finding.text, verdict=finding.verdict.value)
        with _lock:
            memory = store.load(session.folder)
            memory.checked(step.key, outcome(found, situation.now), inputs(step, situation))
            store.save(session.folder, memory)
    yield _step_state(session, step, memory, situation, outside)


def _certificate(reply: api.Certificate) -> CheckFinding:
    until = moment(reply.expires)
    if reply.trusted and reply.expires < time.time() + smtp.EXPIRY_DAYS * 86400:
        return CheckFinding(
            f"The server's certificate expires on {until}: have it renewed.", FindingVerdict.NOTE
        )
    return CheckFinding(f"The server's certificate is for {reply.subject}, valid until {until}.")


@contextmanager
def _announced(folder: Path, step: str) -> Iterator[None]:
    """Show the step as "checking" to all clients, inside the context."""
    with _lock:
        _checking.setdefault(folder, []).append(step)
    try:
        yield
    finally:
        with _lock:
            _checking[folder].remove(step)


def _situation(session: ClientSession) -> SetupSituation:
    with session.reading() as vault:
        return situation_of(session, vault)


def _step_state(
    session: ClientSession,
    step: StepDefinition,
    memory: store.SetupMemory,
    situation: SetupSituation,
    outside: OutsideProbes,
) -> api.SetupStep:
    current = standing(step, memory.of(step.key), situation, outside)
    checking = step.key in _checking.get(session.folder, ())
    return api.SetupStep(
        key=step.key,
        title=step.title,
        state=StepState.CHECKING.value if checking else current.state.value,
        guide=step.guide(situation),
        command=step.command(situation) if step.command else "",
        language=step.language,
        detail=current.detail,
        proven=current.proven,
        affirm=step.affirmed,
        affirmed=current.affirmed.time if current.affirmed else 0,
        affirmed_by=current.affirmed.by if current.affirmed else "",
        fields=tuple(
            api.SetupField(name=one.name, label=one.label, value=value, choices=one.choices, hint=one.hint)
            for one, value in step_fields(step.key, situation)
        ),
        acts=tuple(api.SetupAct(kind=one.kind, subject=one.subject) for one in acts(step.key, situation)),
    )


OPERATIONS = (
    Operation(api.GetSetup, (api.Setup,), AccessRole.ADMINISTRATOR, get_setup),
    Operation(api.PutSetup, (api.Setup,), AccessRole.ADMINISTRATOR, put_setup, audit=AuditRule.CHANGE),
    Operation(api.AffirmSetup, (api.Setup,), AccessRole.ADMINISTRATOR, affirm_setup),
    Operation(
        api.CheckSetup,
        (api.SetupStep, api.SetupFinding, api.Setup),
        AccessRole.ADMINISTRATOR,
        check_setup,
        streams=True,
    ),
)

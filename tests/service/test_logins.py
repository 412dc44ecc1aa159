"""A login is bound to a person: no change of addresses gives it other people's mail."""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import AccessRefused, NotFound
from muniment.service.access import audit_trail
from muniment.service.access.roles import Caller
from muniment.service.dispatch import guard
from muniment.service.host.session import ClientSession
from muniment.service.operations import users
from support.program import Program
from support.reports import EPOCH, line, plain, report
from support.vaults import TestVault

OWNER = Caller.this_process()
LOGINS = {name: Caller(61_000 + n, 61_000, 1, name) for n, name in enumerate(("alice", "bob", "carol"))}
MOVED = ("add", "Bob", "bob@example.com", "alice@example.org")


class Office:
    """A vault that a service owns, and its vault.toml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vault = open_vault(folder, write=True)
        self._bare = (folder / "vault.toml").read_text()

    def edit(self, **logins: str) -> None:
        """Write [access.users] to vault.toml, as by hand."""
        lines = [f'{name} = "{address}"' for name, address in logins.items()]
        text = "\n".join((self._bare, "[access.users]", *lines, ""))
        (self.folder / "vault.toml").write_text(text)

    def send(self, request: Request, caller: Caller = OWNER) -> WireWord:
        return guard.call(ClientSession(self.folder, self.vault, caller), request)

    def do(self, request: Request) -> api.Done:
        done = self.send(request)
        assert isinstance(done, api.Done)
        return done

    def add(self, name: str, *addresses: str) -> api.Done:
        return self.do(api.AddUser(name=name, addresses=addresses))

    def reads(self, login: str) -> str:
        """The label of the user whose mail a login reads; raises AccessRefused."""
        users = self.send(api.ListUsers(), LOGINS[login])
        assert isinstance(users, api.Users)
        return users.users[0].user

    def refuses(self, login: str) -> str:
        with pytest.raises(AccessRefused) as refused:
            self.reads(login)
        return str(refused.value)

    def restart(self) -> None:
        self.vault.close()
        self.vault = open_vault(self.folder, write=True)

    def status(self) -> tuple[api.LoginWord, ...]:
        status = self.send(api.GetStatus())
        assert isinstance(status, api.Status)
        return status.logins

    def trail(self) -> list[api.AuditEvent]:
        audit_trail.trail_of(self.vault)._flush()
        found = self.send(api.GetAudit(limit=1000))
        assert isinstance(found, api.Audit)
        return list(found.events)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Alice has alice@example.org, a domain without automatic users; her login is in vault.toml."""
    made = Office(TestVault(tmp_path / "vault").folder)
    with closing(made.vault):
        made.add("Alice", "alice@example.org")
        made.edit(alice="alice@example.org")
        assert made.reads("alice") == "alice@example.org"
        yield made
        made.vault.close()


def test_the_old_login_of_an_address_does_not_read_the_mail_of_its_new_holder(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    secret = plain(to=["bob@example.com"], subject="zugspitze")
    vault.archive([report(secret, recipients=[line("To", "bob@example.com")])])
    office = Office(vault.folder)
    with closing(office.vault):
        office.add("Alice", "alice@example.com")
        office.edit(alice="alice@example.com")
        assert office.reads("alice") == "alice@example.com"
        done = office.add("Bob", "bob@example.com", "alice@example.com")
        warnings = " ".join(done.warnings)
        assert (
            "alice@example.com belonged to alice@example.com and belongs to bob@example.com now" in warnings
        )
        assert "`muniment users bind alice`" in warnings
        assert [(one.address, one.after) for one in done.moved] == [("alice@example.com", "bob@example.com")]
        assert [(one.login, one.state) for one in done.logins] == [("alice", "moved")]
        for request in (api.GetTree(), api.Search(query="zugspitze"), api.GetStatus()):
            with pytest.raises(AccessRefused, match="muniment users bind alice"):
                office.send(request, LOGINS["alice"])
        assert "bob@example.com" not in office.refuses("alice")


def test_a_renamed_user_keeps_their_login(office: Office) -> None:
    done = office.add("Alice Ash", "alice@example.org", "ash@example.org")
    assert (done.moved, done.logins, done.warnings) == ((), (), ())
    assert office.reads("alice") == "alice@example.org"


def test_a_login_reads_again_when_its_address_returns_to_its_person(office: Office) -> None:
    office.add("Alice", "alice@example.org", "ash@example.org")
    gone = office.do(api.RemoveUser(user="ash@example.org", alias="alice@example.org"))
    assert [(one.login, one.state) for one in gone.logins] == [("alice", "nobody")]
    assert "no user has its address" in office.refuses("alice")
    back = office.add("Alice", "ash@example.org", "alice@example.org")
    assert [(one.login, one.state) for one in back.logins] == [("alice", "bound")]
    assert "login alice reads the mail of" in " ".join(back.warnings)
    assert office.reads("alice") in ("alice@example.org", "ash@example.org")


def test_a_user_who_is_removed_and_added_again_counts_as_another_person(office: Office) -> None:
    office.do(api.RemoveUser(user="alice@example.org"))
    office.add("Alicia", "alice@example.org")  # gets the id that Alice had
    assert "not bound" in office.refuses("alice")
    assert [one.state for one in office.status()] == ["unbound"]
    office.do(api.BindLogins(logins=("alice",)))
    assert office.reads("alice") == "alice@example.org"


def test_a_login_of_an_automatic_user_who_gets_a_name_must_be_bound_again(office: Office) -> None:
    office.edit(alice="alice@example.org", bob="bob@example.com")
    assert office.reads("bob") == "bob@example.com"
    done = office.add("Bob", "bob@example.com")
    assert [(one.login, one.state) for one in done.logins] == [("bob", "unbound")]
    assert done.moved == ()
    assert "muniment users bind bob" in office.refuses("bob")
    office.do(api.BindLogins(logins=("bob",)))
    assert office.reads("bob") == "bob@example.com"
    office.do(api.RemoveUser(user="bob@example.com"))
    office.refuses("bob")  # the mail that was Bob's is the automatic user's now


def test_an_address_that_an_automatic_user_loses_is_reported(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.archive([report(plain(to=["bob@example.com"]), recipients=[line("To", "bob@example.com")])])
    office = Office(vault.folder)
    with closing(office.vault):
        done = office.add("Carol", "carol@example.com", "bob@example.com")
        assert [(one.address, one.after) for one in done.moved] == [("bob@example.com", "carol@example.com")]


def test_merging_users_gives_no_login_the_mail_of_another_person(office: Office) -> None:
    office.add("Bob", "bob@example.org")
    office.edit(alice="alice@example.org", bob="bob@example.org")
    assert office.reads("bob") == "bob@example.org"
    office.add("Alice", "alice@example.org", "bob@example.org")
    assert office.reads("alice") == "alice@example.org"
    office.refuses("bob")


def test_an_import_reports_moved_addresses_and_logins_before_and_after(office: Office) -> None:
    office.add("Bob", "bob@example.org")
    office.edit(alice="alice@example.org", bob="bob@example.org")
    office.reads("bob")
    text = (
        "name,address,alias\nDora,dora@example.org,alice@example.org\nEmil,emil@example.org,bob@example.org\n"
    )
    planned = office.do(api.ImportUsers(text=text, check=True))
    assert planned.message.startswith("Nothing was changed")
    assert office.reads("alice") == "alice@example.org"
    done = office.do(api.ImportUsers(text=text))
    assert (planned.moved, planned.logins, planned.warnings) == (done.moved, done.logins, done.warnings)
    assert {one.login for one in done.logins} == {"alice", "bob"}
    assert {(one.address, one.before, one.after) for one in done.moved} == {
        ("alice@example.org", "alice@example.org", "dora@example.org"),
        ("bob@example.org", "bob@example.org", "emil@example.org"),
    }


def test_a_login_that_is_set_before_its_user_exists_must_be_bound(office: Office) -> None:
    office.edit(alice="alice@example.org", carol="carol@example.org")
    assert "no user has its address" in office.refuses("carol")
    done = office.add("Carol", "carol@example.org")
    assert "muniment users bind carol" in " ".join(done.warnings)
    office.refuses("carol")
    office.do(api.BindLogins(logins=("carol",)))
    assert office.reads("carol") == "carol@example.org"


def test_two_logins_read_the_mail_of_one_person(office: Office) -> None:
    office.edit(alice="alice@example.org", bob="alice@example.org")
    assert office.reads("bob") == office.reads("alice")
    done = office.add("Carol", "carol@example.org", "alice@example.org")
    assert {one.login for one in done.logins} == {"alice", "bob"}


def test_a_login_written_without_a_service_is_bound_before_the_next_change(office: Office) -> None:
    """An administrator adds a login, and a command moves its address before any other request."""
    office.vault.close()
    office.edit(bob="alice@example.org")
    program = Program(office.folder)
    answer = program.ask("users", *MOVED)
    assert [(one["login"], one["state"]) for one in answer["logins"]] == [("bob", "moved")]
    office.vault = open_vault(office.folder, write=True)
    office.refuses("bob")


def test_a_changed_address_in_vault_toml_binds_the_login_again(office: Office) -> None:
    office.add("Bob", "bob@example.org")
    office.edit(alice="bob@example.org")
    assert office.reads("alice") == "bob@example.org"
    office.edit(alice="BOB@Example.org")
    assert office.reads("alice") == "bob@example.org"
    office.edit()
    assert "may not use this vault" in office.refuses("alice")


def test_a_login_whose_address_had_two_holders_must_be_bound(office: Office) -> None:
    office.add("Bob", "bob@example.org", "alice@example.org")
    office.edit(carol="alice@example.org")
    assert "users bind carol" in office.refuses("carol")
    office.do(api.BindLogins(logins=("carol",)))
    assert office.reads("carol") == "bob@example.org"


def test_bindings_survive_a_rebuild_and_a_restart(office: Office) -> None:
    office.add("Bob", "bob@example.org", "alice@example.org")
    for again in (Office.restart, lambda one: one.vault.renew_catalog()):
        again(office)
        assert "users bind alice" in office.refuses("alice")
    office.do(api.BindLogins(logins=("alice",)))
    office.vault.renew_catalog()
    assert office.reads("alice") == "bob@example.org"


def test_a_read_only_service_admits_logins_that_the_ledger_has(office: Office) -> None:
    office.edit(alice="alice@example.org", bob="alice@example.org")
    office.vault.close()
    office.vault = open_vault(office.folder, write=False)
    assert office.reads("alice") == "alice@example.org"
    assert "not bound" in office.refuses("bob")


def test_each_binding_is_in_the_audit_trail(office: Office) -> None:
    office.add("Bob", "bob@example.org", "alice@example.org")
    office.do(api.BindLogins(logins=("alice",)))
    office.edit()
    office.add("Emil", "emil@example.org")
    found = [(one.event, one.word, one.detail["login"]) for one in office.trail() if "login" in one.detail]
    assert found == [
        ("login released", "vault.toml", "alice"),
        ("login bound", "BindLogins", "alice"),
        ("login bound", "vault.toml", "alice"),
    ]


def test_reads_of_an_auditor_who_lost_the_address_are_recorded(office: Office) -> None:
    text = (office.folder / "vault.toml").read_text()
    (office.folder / "vault.toml").write_text(f'{text}[access]\nauditors = ["alice"]\n')
    asked = api.ListMessages(user="alice@example.org", folder="Inbox")
    office.send(asked, LOGINS["alice"])
    assert "ListMessages" not in {one.word for one in office.trail()}
    office.add("Bob", "bob@example.org", "alice@example.org")
    office.send(asked, LOGINS["alice"])
    assert "ListMessages" in {one.word for one in office.trail()}


def test_a_login_that_can_not_be_bound_is_refused_with_the_reason(office: Office) -> None:
    office.edit(alice="alice@example.org", carol="carol@example.org")
    with pytest.raises(NotFound, match="has no login 'bob'"):
        office.do(api.BindLogins(logins=("alice", "bob")))
    with pytest.raises(NotFound, match="no user has the address"):
        office.do(api.BindLogins(logins=("carol",)))


def test_commands_name_logins_and_bind_them(office: Office) -> None:
    office.vault.close()
    program = Program(office.folder)
    assert "`muniment users bind alice`" in program("users", *MOVED).err
    assert "alice@example.org moved from" in program("status").out
    assert program.ask("status")["logins"][0]["login"] == "alice"
    assert "the address moved" in program("users", "logins").out
    assert program.ask("users", "bind", "alice")["logins"][0]["user"] == "bob@example.com"
    assert program.ask("users", "logins")[0]["state"] == "bound"
    assert "bound a login" in program("audit").out
    office.vault = open_vault(office.folder, write=True)


# --- whatever is done, in whatever order ---------------------------------------------------------------

ADDRESSES = ("a@example.com", "a+t@example.com", "c@example.org")
addresses, logins = st.sampled_from(ADDRESSES), st.sampled_from(("alice", "bob"))
Token = tuple[str, str, int]
"""A person: added by an administrator, or made automatically for an address. Each is a new one."""


class Bindings(RuleBasedStateMachine):
    """An independent model: who has which address, and whose mail each login may read.

    A person who is removed and added again is another person, and so is the automatic user of an address
    that a person had in between.
    """

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="mu-logins-"))
        self.office = Office(TestVault(self.root / "vault").folder)
        self.counter = itertools.count()
        # A day passes with each change: what happens must not depend on how fast the machine is.
        clock = itertools.count(EPOCH, 86_400)
        self.clock = mock.patch.object(users, "time", mock.Mock(time=lambda: next(clock)))
        self.clock.start()
        self.holders: dict[str, Token] = {}
        self.persons: dict[str, Token] = {}
        """Persons by their id in the directory."""
        self.automatic: dict[str, int] = {}
        self.written: dict[str, str] = {}
        self.decided: dict[str, Token | None] = {}
        self.sure: set[str] = set()
        """Logins that must be admitted: an administrator bound them, and nothing has changed since."""

    def teardown(self) -> None:
        if hasattr(self, "clock"):
            self.clock.stop()
            self.office.vault.close()
            shutil.rmtree(self.root)

    def holder(self, address: str) -> Token | None:
        if address in self.holders:
            return self.holders[address]
        bare = re.sub(r"\+[^@]*", "", address)
        if bare != address:
            return self.holder(bare)
        return ("auto", address, self.automatic.get(address, 0)) if "example.com" in address else None

    def token(self, label: str) -> Token | None:
        """The person of a user in the directory."""
        user = self.office.vault.directory.find(label).id
        return self.persons[user] if user in self.persons else self.holder(user.removeprefix("auto:"))

    def taken(self, address: str, token: Token) -> None:
        if address not in self.holders:
            self.automatic[address] = self.automatic.get(address, 0) + 1
        self.holders[address] = token

    @rule(given=st.lists(addresses, min_size=1, max_size=3, unique=True))
    def add(self, given: list[str]) -> None:
        known = {user.primary: user for user in self.office.vault.directory.users()}
        meant = known.get(given[0])
        self.office.add(meant.name if meant else f"Person {next(self.counter)}", *given)
        self.sure.clear()
        user = meant.id if meant else self.office.vault.directory.find(given[0]).id
        if meant is None:
            self.persons[user] = ("person", given[0], next(self.counter))
        for address in given:
            self.taken(address, self.persons[user])

    @rule(address=addresses, alias=st.booleans())
    def remove(self, address: str, alias: bool) -> None:
        token = self.holders.get(address)
        if token is None:
            return
        user = next(one for one, each in self.persons.items() if each == token)
        label = self.office.vault.directory.label(user)
        self.office.do(api.RemoveUser(user=label, alias=address if alias else ""))
        self.sure.clear()
        if not alias:
            del self.persons[user]
        self.look()

    def look(self) -> None:
        """Update the holders after an address was taken from somebody: a former holder may have it again."""
        directory = self.office.vault.directory
        held = {one: directory.holder(one) for one in ADDRESSES if directory.ever_held(one)}
        self.holders = {one: self.persons[user] for one, user in held.items() if user in self.persons}
        for one in ADDRESSES:  # what leads on to another address is not held itself
            if "+" in one and held.get(one) == directory.holder("a@example.com"):
                self.holders.pop(one, None)

    @rule(login=logins, address=addresses)
    def write(self, login: str, address: str) -> None:
        if self.written.get(login) == address:
            return
        self.written[login] = address
        self.office.edit(**self.written)
        self.decided[login] = self.holder(address)
        self.sure.discard(login)

    @rule(login=logins)
    def erase(self, login: str) -> None:
        if self.written.pop(login, None):
            self.office.edit(**self.written)
            self.office.send(api.ListUsers())
            self.office.do(api.AddUser(name="Nobody Else", addresses=("n@example.org",)))  # it is recorded
            self.decided.pop(login)
            self.sure.discard(login)

    @rule(login=logins)
    def bind(self, login: str) -> None:
        if login in self.written and self.holder(self.written[login]) is not None:
            self.office.do(api.BindLogins(logins=(login,)))
            self.decided[login] = self.holder(self.written[login])
            self.sure.add(login)

    @rule(rebuild=st.booleans())
    def again(self, rebuild: bool) -> None:
        if rebuild:
            self.office.vault.renew_catalog()
        else:
            self.office.restart()

    @invariant()
    def nobody_reads_whom_no_administrator_named(self) -> None:
        for login, address in getattr(self, "written", {}).items():
            try:
                read = self.token(self.office.reads(login))
            except AccessRefused:
                assert login not in self.sure
                continue
            assert read is not None
            assert read == self.decided[login], (login, address)
            assert read == self.holder(address)


def run_machine(examples: int, steps: int) -> None:
    checked = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None,
        suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )  # fmt: skip
    Bindings.TestCase.settings = checked
    case = Bindings.TestCase()
    case.runTest()


def test_no_order_of_changes_lets_a_login_read_another_person() -> None:
    run_machine(8, 15)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_no_order_of_many_changes_lets_a_login_read_another_person() -> None:
    run_machine(400, 40)

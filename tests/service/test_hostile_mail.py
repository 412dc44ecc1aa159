"""Mail that kills its reader: every request is answered, and the service survives."""

from __future__ import annotations

import base64
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from muniment import api
from muniment.api import Request, WireWord
from muniment.client.client import Client
from muniment.errors import AccessRefused, MailUnreadable
from muniment.mail.notes import UNREAD
from muniment.parsing.pool import end_readers, mail_reader
from muniment.service.access.roles import Caller
from muniment.service.dispatch.table import OPERATIONS
from muniment.service.host.session import ClientSession
from muniment.service.operations.message_view import UNREADABLE
from support.asking import answers
from support.hostile_mail import CRASH, GROW, HANG, PARSER, RAISE, hostile, hostile_parser
from support.reports import line, plain, report
from support.served import line_to
from support.services import end, muniment, service_of
from support.vaults import TestVault, put

BOB = Caller(61_000, 61_000, 1, "bob")
ROOT = Caller.this_process()
PARSERS = (
    *(
        "muniment.mail.text.html",
        "muniment.mail.text.html_drawing",
        "muniment.mail.text.drawn_text",
        "muniment.mail.text.read_text",
        "muniment.mail.text.likeness",
        "muniment.mail.mime.parts",
    ),
    *("muniment.mail.mime.tnef", "muniment.mail.mime.cms", "muniment.mail.mime.rtf", "selectolax"),
)
"""Modules that no service may load."""
WORDS = (CRASH, HANG, GROW, RAISE)
BROKEN = b"X-MS-Journal-Report:\r\nSubject: no report\r\n\r\nnothing"


def letters() -> list[bytes]:
    """Mail to Bob that kills the hostile parser, and an ordinary mail."""
    files = [("plan.txt", b"an attachment"), ("plan.bin", b"\0\1\2")]
    killers = [hostile(word, attachments=files) for word in WORDS]
    return [*killers, plain(subject="ordinary", body="an ordinary text\n")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TestVault:
    """A vault whose mail was archived by a parser without the fault."""
    vault = TestVault(tmp_path_factory.mktemp("hostile") / "vault")
    new = vault.maildir("box", enabled=False)
    put(new, [report(one, recipients=[line("To", "bob@example.com")]) for one in letters()])
    put(new, [BROKEN])
    assert vault.run("box").new == 5
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('[access]\nauditors = []\n[access.users]\nbob = "bob@example.com"\n')
    with ClientSession(vault.folder).writing():
        pass
    vault.client.close()
    return vault


@pytest.fixture
def folder(made: TestVault, tmp_path: Path) -> Path:
    """A copy of the vault."""
    return Path(shutil.copytree(made.folder, tmp_path / "vault"))


# --- each request, with readers that always die -------------------------------------------------


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every reading worker dies at every mail."""
    end_readers()
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        patch.setattr(mail_reader(), "module", "support.dying_reader")
        yield
    end_readers()


Check = Callable[[list[WireWord]], bool]


def _shown_in_part(replies: list[WireWord]) -> bool:
    (message,) = replies
    assert isinstance(message, api.Message)
    headers = dict(message.headers)
    return (
        headers["Subject"] == f"subject {CRASH.lower()}"
        and headers["From"] == "Anna Berg <anna@example.com>"
        and message.text == ""
        and {UNREAD, UNREADABLE} <= set(message.notes)
    )


def _holds_killer(replies: list[WireWord]) -> bool:
    return CRASH.encode() in b"".join(reply.data for reply in replies if isinstance(reply, api.Chunk))


def _found(replies: list[WireWord]) -> bool:
    (hits,) = replies
    assert isinstance(hits, api.Hits)
    return hits.total > 0


def _ends_with(kind: type[WireWord]) -> Check:
    return lambda replies: isinstance(replies[-1], kind)


def _unanswered(replies: list[WireWord]) -> bool:
    return False


def requests(killer: str, out: Path) -> list[tuple[Request, Check]]:
    """Requests that read the content of mail, each with a check of its answer."""

    return [
        (api.GetTree(), _ends_with(api.Tree)),
        (api.ListMessages(user="bob@example.com", folder="Inbox"), _found),
        (api.Search(query="ordinary"), _found),
        (api.Search(query="subject:crash*"), _found),
        (api.Show(id=killer), _shown_in_part),
        (api.ReadRaw(id=killer), _holds_killer),
        (api.ReadRaw(id=killer, what="headers"), lambda replies: isinstance(replies[0], api.Chunk)),
        (api.ReadRaw(id=killer, what="report", report=1), _holds_killer),
        (api.ReadAttachment(id=killer, number=1), _unanswered),
        (api.ReadAttachment(id=killer, number=1, text=True), _unanswered),
        (api.Export(query="", path=str(out)), lambda replies: len(replies) > 0),
        (api.Export(query="", path=f"{out}.form", form="dat"), _ends_with(api.Done)),
        (api.SimulateRetention(), _ends_with(api.Simulation)),
        (api.Prove(id=killer, path=str(out.with_suffix(".proof"))), _ends_with(api.Done)),
        (api.GetStatus(), _ends_with(api.Status)),
        (api.GetHealth(), _ends_with(api.Health)),
        (api.GetSetup(), _ends_with(api.Setup)),
        (api.CheckSetup(), lambda replies: len(replies) > 0),
        (api.ListQuarantine(), _ends_with(api.Quarantine)),
        (api.RetryQuarantine(), _ends_with(api.Done)),
        (api.CheckErasure(ids=(killer,)), _ends_with(api.ErasurePreview)),
        (api.OpenSubject(people=("bob@example.com",), reason="asked"), _ends_with(api.SubjectWord)),
        (api.ListSubjectMessages(name="bob@example.com"), _ends_with(api.SubjectMessages)),
        (
            api.PackageSubject(name="bob@example.com", path=f"{out}.person.zip", undecided="include"),
            _ends_with(api.Done),
        ),
        (api.Verify(deep=True), _ends_with(api.Verified)),
        (api.Run(profile="box"), _ends_with(api.RunSummary)),
        (api.Rebuild(catalog=True, index=True), _ends_with(api.Done)),
        (api.Erase(ids=(killer,), basis="Art. 17"), _ends_with(api.Erasure)),
    ]


UNCONCERNED = {
    *(api.Init, api.ListUsers, api.ShowUser, api.AddUser, api.RemoveUser, api.ImportUsers, api.GetRefiling),
    *(api.ListLogins, api.BindLogins, api.ListProfiles, api.ShowProfile, api.PutProfile),
    *(api.RenameProfile, api.RemoveProfile, api.CheckProfile, api.PutSetup, api.AffirmSetup),
    *(api.GetAudit, api.CancelRun, api.GetHistory, api.TestProfile, api.SignIn, api.TestNotify),
    *(api.RunAll, api.WatchRuns, api.Backup, api.ForgetBackup, api.GetProof, api.WatchWork, api.StopWork),
    *(api.GetSettings, api.CheckSettings, api.PutSettings),
    *(api.ListApprovals, api.ShowApproval, api.AnswerApproval, api.RelaxApprovals),
    *(api.PlaceHold, api.ReleaseHold, api.ListHolds, api.CountHold, api.ReportHeld, api.ListHeld),
    *(api.ListAccess, api.GrantAccess, api.RevokeAccess, api.SealMail, api.UnsealMail, api.GetReaders),
    api.Restore,  # its bytes are not read by a parser
    *(api.GetRightsOf, api.SetRules, api.EndRule, api.ListRules, api.ShowRetention, api.DisposeMail),
    *(api.ListSubjects, api.ShowSubject, api.DecideSubject, api.ListSubjectDecisions, api.CloseSubject),
    *(api.AskAccess, api.GetErasureCertificate),
    *(api.ListGroups, api.ShowGroup, api.JoinGroup, api.LeaveGroup, api.ImportGroups),
    *(api.GetCheckpoint, api.PublishCheckpoint, api.VerifyCheckpoint, api.NewCheckpointKey),
}
"""Requests that do not read mail. RunAll does the same as Run."""


def test_every_request_is_listed_as_reading_mail_or_not(tmp_path: Path) -> None:
    concerned = {type(request) for request, _ in requests("", tmp_path)}
    assert concerned | UNCONCERNED == set(OPERATIONS)
    assert not concerned & UNCONCERNED


def id_of(folder: Path, word: str) -> str:
    """The id of the message with a word in its subject."""
    (hit,) = TestVault(folder).search(f"subject:{word.lower()}")
    return hit.id


@pytest.mark.usefixtures("dying")
def test_each_request_is_answered_although_readers_always_die(folder: Path, tmp_path: Path) -> None:
    for request, good in requests(id_of(folder, CRASH), tmp_path / "out"):
        session = ClientSession(folder)
        if good is _unanswered:
            with pytest.raises(MailUnreadable, match="--raw"):
                answers(session, request)
        else:
            assert good(answers(session, request)), request
        session.close()
    after = TestVault(folder)
    assert len(after.messages()) == 4  # one is erased
    after.sound()


@pytest.mark.usefixtures("dying")
def test_a_plain_user_is_answered_although_readers_always_die(folder: Path, tmp_path: Path) -> None:
    (hits,) = answers(ClientSession(folder, None, BOB), api.Search(query=f"subject:{CRASH.lower()}"))
    assert isinstance(hits, api.Hits)
    killer = hits.hits[0].id  # theirs: another than an auditor has
    for request, good in requests(killer, tmp_path / "out"):
        session = ClientSession(folder, None, BOB)
        try:
            assert good(answers(session, request)), request
        except MailUnreadable:
            assert good is _unanswered
        except AccessRefused:
            assert type(request) not in (api.Show, api.ListMessages, api.Search, api.ReadAttachment)
        finally:
            session.close()


# --- a parser that dies over some mail -----------------------------------------------------------


def test_the_readable_part_of_a_hostile_mail_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hostile_parser(monkeypatch):
        vault = TestVault(folder)
        for word in WORDS:
            shown = vault.show(id_of(folder, word))
            assert dict(shown.headers)["Subject"] == f"subject {word.lower()}"
            assert dict(shown.headers)["To"] == "bob@example.com"
            assert [one.filename for one in shown.attachments] == ["plan.txt", "plan.bin"]
            assert (shown.text, UNREAD in shown.notes) == ("", True)
            replies = list(vault.client.stream(api.ReadAttachment(id=shown.id, number=1)))
            assert replies[1] == api.Chunk(data=b"an attachment")
        assert vault.show(id_of(folder, "ordinary")).text == "an ordinary text\n"


def test_a_rebuild_reads_the_readable_part_of_hostile_mail(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hostile_parser(monkeypatch):
        vault = TestVault(folder)
        vault.rebuild()
        subjects = {f"subject {word.lower()}" for word in WORDS} | {"ordinary"}
        assert {hit.subject for hit in vault.messages()} == subjects
        assert len(vault.search("from:anna@example.com to:bob@example.com")) == 5
        assert len(vault.search("filename:plan.txt")) == 4
        assert [hit.subject for hit in vault.search("text")] == ["ordinary"]
        assert set(vault.tree()) == {"anna@example.com", "bob@example.com"}


def hostile_service(folder: Path, modules: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A service in a process of its own, which would die if it parsed the HTML of a hostile mail itself."""
    modules.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(PARSER))
    monkeypatch.setenv("MALLOC_PERTURB_", "85")
    monkeypatch.setenv("MUNIMENT_TEST_MODULES", str(modules))
    assert muniment(folder, "status").code == 0
    return service_of(folder)


def lives(folder: Path, pid: int) -> bool:
    """Whether the same process still answers."""
    return service_of(folder) == pid and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_service_survives_hostile_mail_and_loads_no_parser(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killers = [id_of(folder, word) for word in (CRASH, RAISE)]
    pid = hostile_service(folder, tmp_path / "modules", monkeypatch)
    for id_ in killers:
        assert UNREAD in muniment(folder, "show", id_).out
        assert muniment(folder, "show", id_, "--raw").code == 0
    for command in (
        ("search", "ordinary"),
        ("setup", "--json"),
        ("quarantine", "retry"),
        ("run", "box"),
        ("rebuild",),
        ("verify", "--deep"),
        ("export", "", "--to", str(tmp_path / "out")),
    ):
        done = muniment(folder, *command)
        assert "Traceback" not in done.err
        assert lives(folder, pid), command
    end(pid)
    loaded = (tmp_path / "modules" / str(pid)).read_text().split("\n")
    assert "muniment.service.operations.message_view" in loaded
    assert not set(PARSERS).intersection(loaded)


SHOWS = {CRASH: (150, {2}), HANG: (40, {1}), GROW: (40, {0, 1}), RAISE: (270, {0}), "": (100, {0})}
"""For each word: number of mails, and how many workers die when one is shown.

A crash is tried twice, and a mail that used up its time once. A reader survives exceptions, also for want of
memory, but a slow one uses up its time first.
"""
CRASHES = sorted((Path(__file__).parents[1] / "mail" / "crashes").iterdir())
"""Documents that really crashed a parser in native code."""


def thousand() -> list[tuple[str, bytes, set[int]]]:
    """A thousand different mails: for each its subject, its report, and how many workers die of it."""
    found = []
    for word, (count, deaths) in SHOWS.items():
        for n in range(count):
            subject = f"{word or 'ordinary'} number {n}"
            mail = hostile(word, subject) if word else plain(subject=subject, body="an ordinary text\n")
            found.append((subject, report(mail), deaths))
    for n in range(1000 - len(found)):
        source = CRASHES[n % len(CRASHES)]
        document = source.read_bytes()
        if source.suffix == ".eml":
            document = document.partition(b"\n\n")[2]
        subject = f"{source.stem} number {n}"
        html = ["Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: base64"]
        mail = plain(subject=subject, body=base64.encodebytes(document), headers=html)
        found.append((subject, report(mail), {0}))
    return found


def deaths_in_log() -> int:
    """Number of workers of the service that died on a mail."""
    logs = (Path(os.environ["XDG_STATE_HOME"]) / "muniment").glob("vault-*.log*")
    return sum(log.read_text().count("a worker died on one message") for log in logs)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_service_survives_a_thousand_hostile_mails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mail is shown once, since a mail that killed is not given to workers again."""
    mails = thousand()
    vault = TestVault(tmp_path / "vault")
    assert vault.archive((mail for _, mail, _ in mails), enabled=False).new == len(mails) == 1000
    ids = {hit.subject: hit.id for hit in vault.messages()}
    vault.client.close()
    pid = hostile_service(vault.folder, tmp_path / "modules", monkeypatch)
    random.Random(7).shuffle(mails)
    died = 0
    with closing(Client(line_to(vault.folder))) as client:
        for subject, _, deaths in mails:
            shown = client.call(api.Show(id=ids[subject]), api.Message)
            assert dict(shown.headers)["Subject"] == subject
            assert (UNREAD in shown.notes) == subject.startswith(WORDS)
            died, before = deaths_in_log(), died
            assert died - before in deaths, subject
            assert lives(vault.folder, pid), subject
    end(pid)
    assert not set(PARSERS).intersection((tmp_path / "modules" / str(pid)).read_text().split("\n"))

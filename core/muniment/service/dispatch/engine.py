"""The engine behind the words of `muniment.api`.

A service has one for each request (see server), `connect` opens one in the caller's own process. What
each word does stands in the sibling modules; here is only which word goes where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from muniment import api
from muniment.api import Request, Word
from muniment.service.access import audit_trail
from muniment.service.dispatch import guard
from muniment.service.dispatch.lengths import check_lengths
from muniment.service.host.session import Session, explained
from muniment.service.operations import (
    checklist,
    history,
    logins,
    maintenance,
    notifying,
    profile_test,
    profiles,
    reading,
    rebuilding,
    runs,
    users,
    vaults,
)
from muniment.service.operations import sign_in as signing

Call = Callable[[Session, Any], Word]
Stream = Callable[[Session, Any], Iterator[Word]]

CALLS: dict[type[Request], Call] = {
    api.Init: vaults.init,
    api.GetStatus: vaults.status,
    api.ListUsers: users.list_users,
    api.ShowUser: users.show_user,
    api.AddUser: users.add_user,
    api.RemoveUser: users.remove_user,
    api.ImportUsers: users.import_users,
    api.ListLogins: logins.list_logins,
    api.BindLogins: logins.bind_logins,
    api.ListProfiles: profiles.list_profiles,
    api.ShowProfile: profiles.show_profile,
    api.PutProfile: profiles.put_profile,
    api.RenameProfile: profiles.rename_profile,
    api.RemoveProfile: profiles.remove_profile,
    api.CheckProfile: profiles.check_profile,
    api.GetSetup: checklist.get_setup,
    api.PutSetup: checklist.put_setup,
    api.AffirmSetup: checklist.affirm_setup,
    api.GetTree: reading.tree,
    api.ListMessages: reading.list_messages,
    api.Search: reading.search,
    api.Show: reading.show,
    api.GetAudit: audit_trail.list_audit,
    api.ListQuarantine: maintenance.list_quarantine,
    api.CancelRun: runs.cancel_run,
    api.GetHistory: history.get_history,
}
STREAMS: dict[type[Request], Stream] = {
    api.TestProfile: profile_test.test_profile,
    api.SignIn: signing.sign_in,
    api.CheckSetup: checklist.check_setup,
    api.TestNotify: notifying.test_notify,
    api.Run: runs.run,
    api.RunAll: runs.run_all,
    api.WatchRuns: runs.watch_runs,
    api.ReadRaw: reading.read_raw,
    api.ReadAttachment: reading.read_attachment,
    api.Export: reading.export,
    api.Verify: maintenance.verify,
    api.Rebuild: rebuilding.rebuild,
    api.Backup: maintenance.backup,
    api.RetryQuarantine: runs.retry_quarantine,
}


class Engine:
    """A transport whose other end is a session in this process (see muniment.client.client.Transport)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def call(self, request: Request) -> Word:
        """Say a request that has one reply. Raises MunimentError."""
        check_lengths(request)
        with explained():
            return guard.call(self._session, request, CALLS.get(type(request)))

    def stream(self, request: Request) -> Iterator[Word]:
        """Say a request that is answered by a stream; closing it cancels the work. Raises MunimentError."""
        check_lengths(request)
        with explained():
            yield from guard.stream(self._session, request, STREAMS.get(type(request)))

    def close(self) -> None:
        """Let go of the vault. Safe to call twice."""
        self._session.close()


def connect(folder: Path) -> Engine:
    """The engine of the vault in `folder`, which need not exist yet."""
    return Engine(Session(folder))

"""What Exchange's errors mean, by Microsoft's page "ResponseCode": of a mailbox, a folder or a message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests
from exchangelib import errors

from muniment.errors import LoginRefused, SourceError
from muniment.sources.endpoint import Endpoint
from muniment.sources.ews.http import LoginFailed, NoService, path_of
from muniment.sources.ews.mime_reader import Unreadable
from muniment.sources.network import lost
from muniment.sources.retry import Passing

SHUT = (
    errors.ErrorAccessDenied,
    errors.ErrorAccountDisabled,
    errors.ErrorNonExistentMailbox,
    errors.ErrorNonPrimarySmtpAddress,
    errors.ErrorInvalidSmtpAddress,
    errors.ErrorImpersonateUserDenied,
    errors.ErrorImpersonationDenied,
    errors.ErrorImpersonationFailed,
    errors.ErrorMailboxConfiguration,
    errors.ErrorMailboxMoveInProgress,
    errors.ErrorMissingEmailAddress,
    errors.ErrorUserNotAllowedByPolicy,
)
"""What Exchange says of a mailbox that may not be opened, or is not there: it is not asked again."""
NO_FOLDER = (errors.ErrorFolderNotFound, errors.ErrorItemNotFound, errors.ErrorSyncFolderNotFound)
STALE = (errors.ErrorInvalidSyncStateData,)
_BUSY = (errors.ErrorServerBusy, errors.ErrorInternalServerTransientError, errors.ErrorTooManyObjectsOpened,
         errors.ErrorMailboxStoreUnavailable, errors.ErrorBatchProcessingStopped,
         errors.ErrorTimeoutExpired, errors.ErrorExceededConnectionCount)  # fmt: skip


class NoMailbox(SourceError):
    """A mailbox that may not be opened, or is not there."""


class NoFolder(SourceError):
    """A folder that is no longer there."""


class Trouble(Passing):
    """The server answers that it can't: which may be this mailbox's, folder's or message's fault alone."""


class StaleMark(Exception):
    """The server no longer knows a state of synchronisation."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message can't be had, or not be deleted."""

    code: str
    missing: bool = False
    """Whether it is not there; or we may not see it, says Microsoft, so that this proves nothing alone."""


@contextmanager
def explained(endpoint: Endpoint, who: str) -> Iterator[None]:
    """Turn exchangelib's errors into ours; `who` is the address of the mailbox, "" for the login's own."""
    address = endpoint.address
    try:
        yield
    except LoginFailed as error:
        raise LoginRefused(
            f"{address} refused the login of {endpoint.mailbox or 'the application'}: check "
            "`mailbox` (DOMAIN\\name, or the address), the password, and how it logs in (`auth`)."
        ) from error
    except NoService as error:
        raise SourceError(f"There is no EWS at {path_of(endpoint)}: check `host` and `port`.") from error
    except _BUSY as error:
        wait = float(getattr(error, "back_off", 0) or 0)
        if isinstance(error, errors.ErrorTimeoutExpired):
            raise lost(endpoint, TimeoutError() if "Timeout" in str(error) else None) from error
        raise Trouble(f"{address} is busy ({type(error).__name__}): run again later.", wait) from error
    except SHUT as error:
        raise NoMailbox(
            f"{address} does not open the mailbox {who or endpoint.mailbox} "
            f"({type(error).__name__}): check its address, and give this login access to it "
            "(docs/mailboxes.md says how)."
        ) from error
    except errors.RedirectError as error:
        raise SourceError(f"{address} sends elsewhere ({error.url}): set `host` to that.") from error
    except requests.RequestException as error:
        raise lost(endpoint, error) from error
    except errors.ResponseMessageError as error:
        raise Trouble(f"{address} answers with {type(error).__name__}: run again later.") from error
    except (errors.EWSError, Unreadable) as error:
        raise Passing(f"{address} answers with {type(error).__name__}: run again later.") from error


def failure(error: Exception) -> Failure:
    """Of a message alone; raises what is no fault of the message."""
    if isinstance(error, _BUSY):
        raise Trouble(f"The server is busy ({type(error).__name__}).")
    return Failure(type(error).__name__, missing=isinstance(error, errors.ErrorItemNotFound))

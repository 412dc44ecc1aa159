"""Turns Exchange's errors into ours. Their meanings are from Microsoft's page "ResponseCode"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests
from exchangelib import errors

from muniment.errors import LoginRefused, SourceError
from muniment.net.dial import lost
from muniment.net.retry import TransientError
from muniment.sources.endpoint import EwsEndpoint
from muniment.sources.ews.http import LoginFailed, NoEwsService, path_of
from muniment.sources.ews.mime_reader import NotXml

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
"""Errors for a mailbox that does not exist or can't be opened: it is not asked again in this run."""
NO_FOLDER = (errors.ErrorFolderNotFound, errors.ErrorItemNotFound, errors.ErrorSyncFolderNotFound)
STALE = (errors.ErrorInvalidSyncStateData,)
_BUSY = (errors.ErrorServerBusy, errors.ErrorInternalServerTransientError, errors.ErrorTooManyObjectsOpened,
         errors.ErrorMailboxStoreUnavailable, errors.ErrorBatchProcessingStopped,
         errors.ErrorTimeoutExpired, errors.ErrorExceededConnectionCount)  # fmt: skip


class NoMailbox(SourceError):
    """A mailbox does not exist or can't be opened."""


class EwsFolderGone(SourceError):
    """A folder no longer exists."""


class EwsTrouble(TransientError):
    """The server answers with an error, whose cause can be this mailbox, folder or message only."""


class StaleMark(Exception):
    """The server no longer knows a state of synchronisation."""


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """Why a message can't be fetched or deleted."""

    code: str
    """Exchange's error code."""
    missing: bool = False
    """Whether Exchange does not find it. That alone proves nothing: perhaps the login can't see it."""


@contextmanager
def explained(endpoint: EwsEndpoint, who: str) -> Iterator[None]:
    """Turn exchangelib's errors into ours; `who` is the address of the mailbox, "" for the login's own.

    Raises:
        LoginRefused: The server refuses the login.
        NoMailbox: The mailbox does not exist or can't be opened.
        EwsTrouble: The server is busy, or answers with another error.
        TransientError: The connection broke.
        SourceError: There is no EWS at the server.
    """
    address = endpoint.address
    try:
        yield
    except LoginFailed as error:
        raise LoginRefused(
            f"{address} refused the login of {endpoint.mailbox or 'the application'}: check "
            "`mailbox` (DOMAIN\\name, or the address), the password, and how it logs in (`auth`)."
        ) from error
    except NoEwsService as error:
        raise SourceError(f"There is no EWS at {path_of(endpoint)}: check `host` and `port`.") from error
    except _BUSY as error:
        wait = float(getattr(error, "back_off", 0) or 0)
        if isinstance(error, errors.ErrorTimeoutExpired):
            raise lost(endpoint, TimeoutError() if "Timeout" in str(error) else None) from error
        raise EwsTrouble(f"{address} is busy ({type(error).__name__}): run again later.", wait) from error
    except SHUT as error:
        raise NoMailbox(
            f"{address} does not open the mailbox {who or endpoint.mailbox} "
            f"({type(error).__name__}): check its address, and give this login access to it "
            "(docs/mailboxes.md says how)."
        ) from error
    except errors.RedirectError as error:
        raise SourceError(f"{address} redirects to {error.url}: set `host` to that server.") from error
    except requests.RequestException as error:
        raise lost(endpoint, error) from error
    except errors.ResponseMessageError as error:
        raise EwsTrouble(f"{address} answers with {type(error).__name__}: run again later.") from error
    except (errors.EWSError, NotXml) as error:
        raise TransientError(f"{address} answers with {type(error).__name__}: run again later.") from error


def failure(error: Exception) -> ItemFailure:
    """The ItemFailure for the error of one message. Raises EwsTrouble if the server is only busy."""
    if isinstance(error, _BUSY):
        raise EwsTrouble(f"The server is busy ({type(error).__name__}).")
    return ItemFailure(type(error).__name__, missing=isinstance(error, errors.ErrorItemNotFound))

"""Turns every error of a catalog's file into one that says what to do.

A catalog is a projection, so its damage loses nothing: it is rebuilt from the ledger. SQLite's result codes
(sqlite.org/rescode.html) distinguish damage from trouble with the disk or with another process.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, InterfaceError, NotSupportedError, ProgrammingError, SQLAlchemyError

from muniment.archive.catalog.model import CatalogDamaged
from muniment.errors import VaultError

log = logging.getLogger("muniment.catalog")

_PASSING = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_AUTH,
}
"""Result codes that do not mean damaged content."""
_UNDECODED = "Could not decode"
"""The start of the sqlite3 module's message for text that is not UTF-8; the rest may come from mail."""


@contextmanager
def as_vault_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn errors of a damaged or unusable catalog into VaultErrors.

    Args:
        path: The catalog's file.
        doing: "read" or "written", for the message.

    Raises:
        CatalogDamaged: The content contradicts itself: the catalog must be rebuilt.
        VaultError: The file can't be read or written now.
    """
    try:
        yield
    except (UnicodeEncodeError, OverflowError, InterfaceError, NotSupportedError, ProgrammingError):
        raise  # the statement is wrong, not the file
    except DBAPIError as error:
        raise driver_error(path, doing, error.orig) from error
    except (SQLAlchemyError, ValueError, LookupError, TypeError) as error:
        raise damaged(path, type(error).__name__, error) from error


def driver_error(path: Path, doing: str, error: BaseException | None) -> VaultError:
    """Return the error for an exception of the database driver; `doing` is "read" or "written"."""
    code = getattr(error, "sqlite_errorcode", None)
    text = str(error)
    if text.startswith(_UNDECODED):
        return damaged(path, "a text in it is not UTF-8", error)
    if isinstance(error, sqlite3.OperationalError) and (
        code is None or (code & 0xFF in _PASSING and "no such" not in text)
    ):
        advice = "check the disk" if doing == "read" else "free space or correct its permissions"
        return VaultError(
            f"The catalog {path} can't be {doing} ({text}): {advice}, and try again; if that does not help, "
            "run `muniment rebuild --catalog`."
        )
    return damaged(path, getattr(error, "sqlite_errorname", type(error).__name__), error)


def damaged(path: Path, reason: str, error: BaseException | None = None) -> CatalogDamaged:
    """Return the error for a catalog that contradicts itself, and log where that was found."""
    log.error("the catalog is damaged (%s)", reason, exc_info=error)
    return CatalogDamaged(
        f"The catalog {path} is damaged ({reason}): run `muniment rebuild --catalog`, which makes it from "
        "the ledger again; no archived mail is lost."
    )

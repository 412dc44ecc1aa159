"""What goes wrong with a catalog's file, as the error that says what to do. All of it is mapped here.

A catalog is a projection, so damage to it loses nothing: it is built anew from the ledger. What the disk or
another process is to blame for is told apart from damage by SQLite's result code (sqlite.org/rescode.html).
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
"""Result codes that say nothing against the file's content."""
_UNDECODED = "Could not decode"
"""How the sqlite3 module begins to say that a text is not UTF-8; the rest may be from mail."""


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turns what a damaged or unusable catalog raises into a VaultError; `doing` is "read" or "written".

    Raises:
        CatalogDamaged: its content contradicts itself: it must be rebuilt.
        VaultError: it can't be read or written now.
    """
    try:
        yield
    except (UnicodeEncodeError, OverflowError, InterfaceError, NotSupportedError, ProgrammingError):
        raise  # not the file is to blame but what was asked
    except DBAPIError as error:
        raise trouble(path, doing, error.orig) from error
    except (SQLAlchemyError, ValueError, LookupError, TypeError) as error:
        raise damaged(path, type(error).__name__, error) from error


def trouble(path: Path, doing: str, error: BaseException | None) -> VaultError:
    """The error for what the database driver has raised."""
    code = getattr(error, "sqlite_errorcode", None)
    text = str(error)
    if text.startswith(_UNDECODED):
        return damaged(path, "a text in it is not UTF-8", error)
    if isinstance(error, sqlite3.OperationalError) and (
        code is None or (code & 0xFF in _PASSING and "no such" not in text)
    ):
        advice = "check the disk" if doing == "read" else "free space or mend its rights"
        return VaultError(
            f"The catalog {path} can't be {doing} ({text}): {advice}, and try again; if that does not help, "
            "run `muniment rebuild --catalog`."
        )
    return damaged(path, getattr(error, "sqlite_errorname", type(error).__name__), error)


def damaged(path: Path, reason: str, error: BaseException | None = None) -> CatalogDamaged:
    """The error for a catalog that contradicts itself; the log keeps where that was met."""
    log.error("the catalog is damaged (%s)", reason, exc_info=error)
    return CatalogDamaged(
        f"The catalog {path} is damaged ({reason}): run `muniment rebuild --catalog`, which builds it anew "
        "from the ledger; nothing that was kept is lost."
    )

"""Errors that a person reads.

Each class is one kind of trouble with one exit code. Its message is a sentence that says what to do. Any
other exception that escapes is a bug.

    MunimentError            1   anything below, not named further
      UsageError             2   the command line was wrong (click uses the same code)
      ConfigError            3   vault.toml, a profile or a CSV file is wrong
        SettingsChanged     14   somebody else changed vault.toml meanwhile
      VaultError             4   no vault here, a newer format, not writable, no space
        VaultLocked          5   another process owns the vault
        LedgerDamaged        6   the ledger is damaged or was changed
      SourceError            7   a mail server or mailbox can't be used as asked
        LoginRefused         8   wrong name or password
        CertificateRefused   9   TLS is missing or the certificate can't be trusted
      NotFound              10   no such message, user, profile, quarantined item
        Erased              16   it was here, and was erased by a decision that is recorded
      QueryError            11   a search query can't be read
      RunFailed             12   a run ended failed, unbalanced or cancelled
      MailUnreadable        15   a message's parser failed; its bytes are still available
      AccessRefused         13   the caller may not do this
        ReasonNeeded        13   the caller may do it after giving a reason
"""


class MunimentError(Exception):
    """Base of all errors here. `str(error)` is the sentence to print."""

    exit_code = 1


class UsageError(MunimentError):
    """The command line was wrong."""

    exit_code = 2


class ConfigError(MunimentError):
    """vault.toml, a profile or a CSV file is wrong. The message says where."""

    exit_code = 3


class SettingsChanged(ConfigError):
    """vault.toml changed since the caller read it. The caller reads it again, then decides."""

    exit_code = 14


class VaultError(MunimentError):
    """The vault can't be used: it is missing, has a newer format, is not writable, or has no space."""

    exit_code = 4


class VaultLocked(VaultError):
    """Another process owns the vault. The message says which one, and since when."""

    exit_code = 5


class LedgerDamaged(VaultError):
    """The ledger does not prove itself, or is shorter than it was."""

    exit_code = 6


class SourceError(MunimentError):
    """A mail server or mailbox can't be used as asked."""

    exit_code = 7


class LoginRefused(SourceError):
    """The server refused the name or the password."""

    exit_code = 8


class CertificateRefused(SourceError):
    """TLS is not offered, or the certificate can't be trusted."""

    exit_code = 9


class NotFound(MunimentError):
    """There is no such message, user, profile or quarantined item."""

    exit_code = 10


class Erased(NotFound):
    """It was here, and was erased by a decision that is recorded. The message says when and why."""

    exit_code = 16


class QueryError(MunimentError):
    """A search query can't be read.

    Attributes:
        query: the query.
        position: where the fault is, in characters from 0.
    """

    exit_code = 11

    def __init__(self, message: str, query: str = "", position: int = 0) -> None:
        super().__init__(message)
        self.query = query
        self.position = position


class RunFailed(MunimentError):
    """A run ended failed, unbalanced or cancelled. Its books say how far it came."""

    exit_code = 12


class MailUnreadable(MunimentError):
    """The parser failed on a message, or took too long. The message's bytes are still available."""

    exit_code = 15


class AccessRefused(MunimentError):
    """The caller may not do this. The message says whom to ask, or what is missing."""

    exit_code = 13


class ReasonNeeded(AccessRefused):
    """Reading another person's mail needs a reason here. The same request with a reason is answered."""

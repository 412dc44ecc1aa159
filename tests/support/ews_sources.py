"""The sources of the Exchange double's answers: Microsoft's pages, and reports of people.

What rests on what; `UNKNOWN` is refused, by a SOAP fault with status 500 and the code "UnknownToTheDouble":

| The double's answers to   | Documentation  | Reports | Unknown: see below |
|---------------------------|----------------|---------|--------------------|
| paths and HTTP            | X4, X8         | X3, X12 | a                  |
| SOAP requests as such     | X5             |         | b                  |
| impersonation             | X5, X6, X7     |         | c                  |
| GetFolder, FindFolder     | X14 to X17     |         | b                  |
| SyncFolderItems           | X11            |         | d                  |
| GetItem                   | X2, X18        |         | e                  |
| DeleteItem                | X1, X14        |         | b                  |
| CreateFolder, CreateItem  | X14, X19, X20  |         | e                  |
| FindItem                  | X14, X21       |         | b                  |
| GetSearchableMailboxes    | X9, X10, X14   |         |                    |
| a busy server             | X8, X13        |         | f                  |

(a) HEAD, and paths other than that of EWS: refused. Kerberos, channel binding.
(b) Operations, elements, attributes and values that `support.ews_requests` does not list: refused.
(c) Which of several errors comes first.
(d) Changes to items that stay in their folder: not made.
(e) How Exchange writes MIME again: `regenerate` imitates it. An item without MIME: `MADE_UP`.
(f) 429, and Retry-After: `MADE_UP`. Throttling policies: it is busy when a test says so.
"""

from __future__ import annotations

from typing import NamedTuple

UNKNOWN = "unknown"
"""In place of a source: no public page says how Exchange answers, so the double refuses."""
MADE_UP = "made up"
"""In place of a source: what a test asks for although nobody has reported it."""
_DOCS = "https://learn.microsoft.com/en-us/exchange/client-developer"
REFERENCE, GUIDE = f"{_DOCS}/web-service-reference", f"{_DOCS}/exchange-web-services"
GITHUB = "https://github.com"
CODES_PAGE = f"{REFERENCE}/responsecode"


class Source(NamedTuple):
    """What a page says, and where it is."""

    says: str
    pages: tuple[str, ...]


SOURCES = {
    "X1": Source(
        "DeleteItem; ErrorItemNotFound for what is not there, in the sample of an error",
        (f"{REFERENCE}/deleteitem-operation", f"{REFERENCE}/deletetype"),
    ),
    "X2": Source('ErrorItemNotFound: "was not found or you do not have permission"', (CODES_PAGE,)),
    "X3": Source(
        "GET without a login is answered 401 with the ways to log in: a browser asks for a password",
        (f"{GITHUB}/gautamsi/ews-javascript-api/issues/104", f"{GITHUB}/mguessan/davmail/pull/106"),
    ),
    "X4": Source(
        "the path is written /EWS/Exchange.asmx on one page and /ews/exchange.asmx on the other",
        (f"{GUIDE}/get-started-with-ews-client-applications",
         f"{GUIDE}/how-to-use-autodiscover-to-find-connection-points"),
    ),
    "X5": Source(
        "ErrorImpersonateUserDenied; a SOAP fault has status 500",
        (CODES_PAGE, f"{REFERENCE}/addimgroup-operation"),
    ),
    "X6": Source("ErrorNonExistentMailbox for an address without an account", (CODES_PAGE,)),
    "X7": Source("the other codes that a mailbox, folder or item can be answered with", (CODES_PAGE,)),
    "X8": Source(
        "503 while requests queue, and 500; both also for impersonation without X-AnchorMailbox",
        (f"{GUIDE}/ews-throttling-in-exchange", f"{GUIDE}/impersonation-and-ews-in-exchange"),
    ),
    "X9": Source(
        "GetSearchableMailboxes; the first sample names a group (IsMembershipGroup true)",
        (f"{REFERENCE}/getsearchablemailboxes-operation", f"{REFERENCE}/ismembershipgroup"),
    ),
    "X10": Source("mailboxes that are not on this server", (f"{REFERENCE}/isexternalmailbox",)),
    "X11": Source(
        "SyncFolderItems, at most 512 changes; ErrorInvalidSyncStateData, ErrorSyncFolderNotFound",
        (f"{REFERENCE}/syncfolderitems-operation", f"{REFERENCE}/maxchangesreturned", CODES_PAGE),
    ),
    "X12": Source(
        "POST without a login is answered 401 with the ways to log in, and by NTLM in three steps",
        (f"{GITHUB}/mguessan/davmail/issues/100", f"{GITHUB}/OfficeDev/ews-java-api/issues/447"),
    ),
    "X13": Source(
        "500 with ErrorServerBusy, with or without BackOffMilliseconds",
        (f"{GUIDE}/ews-throttling-in-exchange",),
    ),
    "X14": Source("ErrorAccessDenied", (CODES_PAGE,)),
    "X15": Source("ErrorFolderNotFound", (CODES_PAGE,)),
    "X16": Source("GetFolder", (f"{REFERENCE}/getfolder-operation",)),
    "X17": Source(
        "FindFolder by IndexedPageFolderView",
        (f"{REFERENCE}/findfolder-operation", f"{REFERENCE}/indexedpagefolderview"),
    ),
    "X18": Source(
        "GetItem with MimeContent",
        (f"{REFERENCE}/getitem-operation-email-message", f"{REFERENCE}/mimecontent"),
    ),
    "X19": Source(
        "CreateItem with MimeContent, and with properties by tag or by name in PublicStrings",
        (f"{REFERENCE}/createitem-operation-email-message", f"{REFERENCE}/mimecontent",
         f"{REFERENCE}/extendedfielduri", f"{REFERENCE}/extendedproperty"),
    ),
    "X20": Source("CreateFolder", (f"{REFERENCE}/createfolder-operation",)),
    "X21": Source(
        "FindItem with a restriction to one value of an extended property",
        (f"{REFERENCE}/finditem-operation", f"{REFERENCE}/isequalto", f"{REFERENCE}/constant"),
    ),
}  # fmt: skip
CODES = frozenset("""
ErrorADUnavailable ErrorAccessDenied ErrorAccountDisabled ErrorCannotDeleteObject
ErrorContentConversionFailed ErrorCorruptData ErrorFolderCorrupt ErrorFolderExists ErrorImpersonationFailed
ErrorInternalServerError ErrorItemCorrupt ErrorMailboxFailover ErrorMailboxMoveInProgress
ErrorMailboxStoreUnavailable ErrorMessageSizeExceeded ErrorMimeContentConversionFailed
ErrorNonExistentMailbox ErrorNonPrimarySmtpAddress ErrorQuotaExceeded
""".split())  # fmt: skip  # noqa: SIM905
"""Codes of X7's page that tests ask for."""


def checked(source: str, *, granted: bool) -> str:
    """The source of an answer, if it is one.

    Raises:
        ValueError: An answer has no source, or grants what is unknown.
    """
    if source not in (*SOURCES, UNKNOWN, MADE_UP):
        raise ValueError(f"{source!r} is no source")
    if source == UNKNOWN and granted:
        raise ValueError("what is unknown must be refused")
    return source


def of_code(code: str) -> str:
    """The source of a code that a test asks for."""
    return "X7" if code in CODES else MADE_UP


def of_status(status: int, headers: dict[str, str]) -> str:
    """The source of a web server's answer that a test asks for."""
    if status == 401:
        return "X12"
    return "X8" if status in (500, 503) and not headers else MADE_UP

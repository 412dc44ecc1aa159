"""The sources of the Exchange double's answers: pages of Microsoft's "Web services reference"."""

from __future__ import annotations

SOURCES = {
    "X1": "deleteitem-operation.md, DeleteItem error response: ErrorItemNotFound for what is not there",
    "X2": 'responsecode.md, ErrorItemNotFound: "the item was not found or you do not have permission"',
    "X3": "reported: GET and HEAD are answered 401 with the ways to log in (DavMail probes so)",
    "X4": "IIS: paths are compared without regard to case (exchange.asmx and Exchange.asmx are one)",
    "X5": "responsecode.md, ErrorImpersonateUserDenied; a SOAP fault with status 500 (ews-error-handling)",
    "X6": "responsecode.md, ErrorNonExistentMailbox: also of the SOAP header, as for impersonation",
    "X7": "responsecode.md: ErrorMailboxStoreUnavailable, ErrorMailboxFailover, ErrorAccountDisabled, "
    "ErrorInternalServerError, ErrorADUnavailable, ErrorNonPrimarySmtpAddress, ErrorMailboxMoveInProgress",
    "X8": "ews-throttling-in-exchange.md, and reported: 503 and 429 of the web server, with and without "
    "Retry-After",
    "X9": "getsearchablemailboxes-operation.md: the first sample names a group (IsMembershipGroup true)",
    "X10": "isexternalmailbox.md: mailboxes that are not on this server",
    "X11": "syncfolderitems-operation.md: ErrorInvalidSyncStateData, ErrorSyncFolderNotFound",
}

"""The sources of the Graph double's answers: Microsoft's pages (D), and reports of people (R)."""

from __future__ import annotations

SOURCES = {
    "D1": 'Microsoft, "Combine multiple HTTP requests using JSON batching" (concepts/json-batching.md)',
    "D2": 'Microsoft, "Error responses and resource types" (concepts/errors.md)',
    "D3": 'Microsoft, "Throttling guidance" and "Service-specific throttling limits", Outlook: 10,000 '
    "requests in ten minutes and 4 at a time, for an application and a mailbox; each one of a batch",
    "D4": 'Microsoft, "Delta query overview" and "message: delta": repeats, @removed in any answer, empty '
    "parts with a nextLink, 410 with Location, no $select beside a token",
    "D5": 'Microsoft, "Obtain immutable identifiers for Outlook resources": by header, request by request; '
    "an id stays when a message is moved within its mailbox, and changes when it goes to the archive mailbox",
    "D6": 'Microsoft, "message: permanentDelete": 204; in the global service only',
    "D7": 'Microsoft, "List mailFolders", "List childFolders": hidden folders left out, search folders not',
    "D8": 'Microsoft, "Get message": $value; parentFolderId',
    "D9": 'Microsoft, "List users"; "Get access tokens": 401 for a token that is not good',
    "R1": "405 for $value below a folder, though documented: microsoft-graph-docs #9364, #14943, #7774; "
    "docs-contrib #776, #2755, #5546; msgraph-sdk-php #1210; msgraph-sdk-python #714; removed from "
    "msgraph-sdk-powershell by #2875",
    "R2": "400 for a whole batch with a write that has no body: msgraph-sdk-dotnet #2628, #1038",
    "R3": "400 ErrorInvalidIdMalformed: Microsoft-Extractor-Suite #146, microsoft-graph-docs #2268",
    "R4": '400 BadRequest "Resource not found for the segment": microsoft-graph-docs #21648',
    "R5": "503 MailboxInfoStale without Retry-After: microsoft-graph-explorer #3143",
    "R6": "410 SyncStateNotFound in the midst of a listing: microsoft-graph-docs #2350, #2162, #2877",
    "R7": "404 ResourceNotFound, MailboxNotEnabledForRESTAPI: docs-contrib #7757 and many",
    "R8": "ten folders a page unless $top says otherwise: documented by clients (4D NetKit), seen by many",
    "R9": "ErrorItemNotFound for a message or folder that is not there: msgraph-sdk-dotnet, many",
}

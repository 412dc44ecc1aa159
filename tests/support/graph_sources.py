"""The sources of the Graph double's answers: Microsoft's pages (D), and reports of people (R).

What rests on what; `UNKNOWN` is refused with 501 "UnknownToTheDouble", which no code takes for a success:

| The double's answers to | Documentation | Reports        | Unknown: see below |
|-------------------------|---------------|----------------|--------------------|
| requests as such        | D1, D4 to D11 | R10, R16       | all others         |
| batches                 | D1, D3        | R2             | a                  |
| lists of users          | D9            | R14            |                    |
| folders                 | D7, D11       | R9             | b                  |
| delta queries           | D4            | R6             | c                  |
| messages, MIME          | D5, D8        | R1, R3, R9, R17| d                  |
| permanentDelete         | D6            | R4, R7, R9, R19| e                  |
| too many requests       | D3            | R5, R15        | f                  |
| logins and mailboxes    | D1, D2        | R7, R8, R11-R14| g                  |

(a) `dependsOn`, absolute URLs, $value, bodies with content, a Content-Type other than JSON: refused.
(b) Well-known names other than those that Muniment reads: refused.
(c) A token beside an option, or of another folder: refused.
(d) A message below its old folder after it moved: refused. How the service writes MIME again: `regenerate`
imitates it. What an id without the header for immutable ids does: refused.
(e) How other clouds refuse it: `deletes` tries each of D1, R4, R7 and R9. How a message is answered that is
gone: 404 as for GET (R9); for DELETE, people report 403 (R19).
(f) Which limit is checked first, and how long Retry-After is.
(g) Errors that nobody has reported and a test asks for: `MADE_UP`. A proxy's page in place of an answer.
"""

from __future__ import annotations

from typing import NamedTuple

UNKNOWN = "unknown"
"""In place of a source: no public page says how the service answers, so the double refuses."""
MADE_UP = "made up"
"""In place of a source: what a test asks for although nobody has reported it, mostly an error."""
GRAPH = "https://learn.microsoft.com/en-us/graph"
GITHUB = "https://github.com"
DOCS = f"{GITHUB}/microsoftgraph/microsoft-graph-docs/issues"
CONTRIB = f"{GITHUB}/microsoftgraph/microsoft-graph-docs-contrib/issues"


class Source(NamedTuple):
    """What a page says, and where it is."""

    says: str
    pages: tuple[str, ...]


SOURCES = {
    "D1": Source(
        "batches: 20 requests, ids of their own, a body and a Content-Type for what writes, parts in any "
        "order with a status each, 400 for a malformed batch; in the samples a part with a nextLink, one "
        "with an empty code, one with 405 for a method that is missing",
        (f"{GRAPH}/json-batching",),
    ),
    "D2": Source("the form of errors: code, message, innerError", (f"{GRAPH}/errors",)),
    "D3": Source(
        "10,000 requests in ten minutes and 4 at a time, for an application and a mailbox; 429 with "
        "Retry-After; each request of a batch counts and fails by itself",
        (f"{GRAPH}/throttling", f"{GRAPH}/throttling-limits"),
    ),
    "D4": Source(
        "delta queries: $select once, tokens in the links, pages that can be empty, the same message "
        "several times, @removed in any answer, 410 with Location, odata.maxpagesize, id always returned",
        (f"{GRAPH}/delta-query-overview", f"{GRAPH}/delta-query-messages", f"{GRAPH}/api/message-delta"),
    ),
    "D5": Source(
        "immutable ids: by header, request by request; an id stays when a message moves within its mailbox",
        (f"{GRAPH}/outlook-immutable-id",),
    ),
    "D6": Source("204, in the global service only", (f"{GRAPH}/api/message-permanentdelete",)),
    "D7": Source(
        "lists of folders: no hidden ones, search folders included, ten on a page unless $top says otherwise",
        (f"{GRAPH}/api/user-list-mailfolders", f"{GRAPH}/api/mailfolder-list-childfolders"),
    ),
    "D8": Source("a message: its properties, and its MIME by $value", (f"{GRAPH}/api/message-get",)),
    "D9": Source(
        "a list of users, by $select and $top, in pages",
        (f"{GRAPH}/api/user-list", f"{GRAPH}/paging"),
    ),
    "D10": Source(
        "$select, and the properties of messages and folders",
        (f"{GRAPH}/query-parameters", f"{GRAPH}/api/resources/message", f"{GRAPH}/api/resources/mailfolder"),
    ),
    "D11": Source("a folder, by its id or its well-known name", (f"{GRAPH}/api/mailfolder-get",)),
    "R1": Source(
        "405 ErrorInvalidRequest for $value below a folder, though it is documented",
        (f"{DOCS}/14943", f"{DOCS}/7774", f"{CONTRIB}/5546",
         f"{GITHUB}/microsoftgraph/msgraph-sdk-php/issues/1210"),
    ),
    "R2": Source(
        '400 for a batch: "Write request id : 1 does not contain Content-Type header or body."; the name '
        "of the field must be written so",
        (f"{GITHUB}/microsoftgraph/msgraph-sdk-dotnet/issues/2628",
         f"{GITHUB}/microsoftgraph/msgraph-sdk-dotnet/issues/1038", f"{CONTRIB}/8032"),
    ),
    "R3": Source(
        "400 ErrorInvalidIdMalformed",
        (f"{DOCS}/2268", f"{GITHUB}/invictus-ir/Microsoft-Extractor-Suite/issues/146"),
    ),
    "R4": Source('400 BadRequest "Resource not found for the segment"', (f"{DOCS}/21648", f"{DOCS}/6305")),
    "R5": Source(
        "503 MailboxInfoStale",
        (f"{GITHUB}/microsoftgraph/microsoft-graph-explorer-v4/issues/3143",),
    ),
    "R6": Source("410 SyncStateNotFound", (f"{DOCS}/2350", f"{DOCS}/2162", f"{DOCS}/2877")),
    "R7": Source(
        '404 ResourceNotFound "Resource could not be discovered."',
        (f"{CONTRIB}/7757", f"{DOCS}/4598"),
    ),
    "R8": Source("404 MailboxNotEnabledForRESTAPI", (f"{CONTRIB}/6519",)),
    "R9": Source(
        "404 ErrorItemNotFound for a message or folder that is not there",
        (f"{GITHUB}/microsoft/MHA/issues/77", f"{GITHUB}/microsoftgraph/msgraph-sdk-dotnet/issues/259",
         f"{GITHUB}/microsoftgraph/msgraph-sdk-powershell/issues/622"),
    ),
    "R10": Source(
        '400 "Could not find a property named": RequestBroker--ParseUri for messages, BadRequest for folders',
        (f"{GITHUB}/wslyvh/paperweight/issues/1", f"{GITHUB}/LogicLabs-OU/OpenArchiver/issues/44",
         f"{GITHUB}/mguessan/davmail/issues/488"),
    ),
    "R11": Source("404 ErrorInvalidUser", (f"{DOCS}/7909",)),
    "R12": Source(
        "403 ErrorAccessDenied",
        (f"{GITHUB}/O365/python-o365/issues/855", f"{GITHUB}/microsoftgraph/msgraph-sdk-php/issues/1094"),
    ),
    "R13": Source(
        "401 InvalidAuthenticationToken",
        (f"{GITHUB}/microsoftgraph/console-java-connect-sample/issues/1",
         f"{GITHUB}/microsoftgraph/python-sample-auth/issues/10"),
    ),
    "R14": Source(
        "403 Authorization_RequestDenied for /users",
        (f"{DOCS}/1072", f"{GITHUB}/BakkerJan/M365Portal/issues/1"),
    ),
    "R15": Source(
        "429 ApplicationThrottled; Retry-After: 1",
        (f"{GITHUB}/calcom/cal.diy/pull/343",
         f"{GITHUB}/microsoftgraph/msgraph-sdk-javascript/issues/297"),
    ),
    "R16": Source(
        '400 BadRequest "Invalid version."',
        (f"{GITHUB}/microsoftgraph/msgraph-sample-blazor-clientside/issues/94",),
    ),
    "R17": Source(
        "500 ErrorMimeContentConversionFailed for $value, while the properties are answered",
        (f"{GITHUB}/LogicLabs-OU/OpenArchiver/issues/487",),
    ),
    "R18": Source("504 UnknownError for one mailbox", (f"{CONTRIB}/6538", f"{DOCS}/5288")),
    "R19": Source(
        "403 ErrorCannotDeleteObject for DELETE of a message that is gone, by its immutable id",
        (f"{GITHUB}/microsoftgraph/msgraph-sdk-dotnet/issues/3047",),
    ),
}  # fmt: skip
REPORTED = {
    (403, ""): "D1",
    (403, "ErrorAccessDenied"): "R12",
    (403, "ErrorCannotDeleteObject"): "R19",
    (404, "ErrorItemNotFound"): "R9",
    (404, "ErrorInvalidUser"): "R11",
    (404, "MailboxNotEnabledForRESTAPI"): "R8",
    (404, "ResourceNotFound"): "R7",
    (429, "ApplicationThrottled"): "D3 R15",
    (500, "ErrorMimeContentConversionFailed"): "R17",
    (503, "MailboxInfoStale"): "R5",
    (504, "UnknownError"): "R18",
}
"""The sources of the errors that a test can ask for; the others are made up."""

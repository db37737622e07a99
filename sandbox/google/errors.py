"""Errors of the Drive API by reason: status, text and JSON format.

Texts: https://developers.google.com/workspace/drive/api/guides/handle-errors
"""

from typing import Any

from sandbox.http.message import Reply, json_reply

# reason: (status, domain, message)
REASONS: dict[str, tuple[int, str, str]] = {
    "badRequest": (400, "global", "Bad Request"),
    "invalid": (400, "global", "Invalid Value"),
    "required": (400, "global", "The 'fields' parameter is required for this method."),
    "invalidParameter": (400, "global", "Invalid field selection"),
    "fileIdNotUsable": (400, "global", "The provided file ID is not usable."),
    "authError": (401, "global", "Invalid Credentials"),
    "userRateLimitExceeded": (403, "usageLimits", "User Rate Limit Exceeded"),
    "rateLimitExceeded": (403, "usageLimits", "Rate Limit Exceeded"),
    "dailyLimitExceeded": (403, "usageLimits", "Daily Limit Exceeded"),
    "sharingRateLimitExceeded": (403, "global", "Sharing Rate Limit Exceeded"),
    "storageQuotaExceeded": (403, "global", "The user's Drive storage quota has been exceeded."),
    "teamDriveFileLimitExceeded": (403, "global", "The file limit for this shared drive has been exceeded."),
    "numChildrenInNonRootLimitExceeded": (
        403,
        "global",
        "The limit for this folder's number of children (files and folders) has been exceeded.",
    ),
    "activeItemCreationLimitExceeded": (
        403,
        "global",
        "This account has exceeded the creation limit of 500 million items.",
    ),
    "myDriveHierarchyDepthLimitExceeded": (403, "global", "Your My Drive can't contain more than 100 levels."),
    "insufficientFilePermissions": (403, "global", "The user does not have sufficient permissions for this file."),
    "appNotAuthorizedToFile": (403, "global", "The user has not granted the app access to the file."),
    "domainPolicy": (403, "global", "The domain administrators have disabled Drive apps."),
    "insufficientPermissions": (403, "global", "Insufficient Permission"),
    "forbidden": (403, "global", "Forbidden"),
    "quotaExceeded": (403, "global", "The user has exceeded their Drive storage quota"),
    "accountDisabled": (403, "global", "The account is disabled."),
    "insufficientParentPermissions": (403, "global", "Insufficient permissions for the specified parent."),
    "uploadLimitExceeded": (403, "usageLimits", "Upload limit exceeded."),
    "accessNotConfigured": (403, "usageLimits", "Access Not Configured."),
    "cannotAddParent": (403, "global", "Increasing the number of parents is not allowed"),
    "fieldNotWritable": (403, "global", "The resource body includes fields which are not directly writable."),
    "fileNotDownloadable": (403, "global", "Only files with binary content can be directly downloaded."),
    "parentNotAFolder": (403, "global", "The specified parent is not a folder."),
    "notFound": (404, "global", "File not found: ."),
    "fileIdInUse": (409, "global", "A file already exists with the provided ID."),
    "failedPrecondition": (400, "global", "Precondition check failed."),
    "uploadTooLarge": (413, "global", "Upload is too large."),
    "clientClosedRequest": (499, "global", "clientClosedRequest"),
    "internalError": (500, "global", "Internal Error"),
    "backendError": (503, "global", "Backend Error"),
}
_STATUS_WORDS = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}


class ApiError(Exception):
    """Raised to reply with an error of the API.

    Args:
        reason: A key of `REASONS`.
        message: Instead of the usual text.
        location: The parameter or header at fault.
        violation: What to record as a violation, if the client could have known; empty: nothing.
        status: Instead of the usual one.
    """

    def __init__(self, reason: str, message: str = "", location: str = "", violation: str = "", status: int = 0):
        super().__init__(reason)
        self.status = status or REASONS[reason][0]
        self.violation = violation
        self.reason = reason
        self.message = message
        self.location = location

    def reply(self) -> Reply:
        """Return it as the API says it."""
        return error_reply(self.status, self.reason, self.message, self.location)


def error_reply(status: int, reason: str, message: str = "", location: str = "") -> Reply:
    """Return an error of the Drive API.

    Args:
        status: HTTP status.
        reason: Any; those in `REASONS` have their domain and text. One in capitals stands in `details`, as an
            ErrorInfo, and "forbidden" before it: https://google.aip.dev/193
        message: Instead of the usual text.
        location: The parameter or header at fault.
    """
    _, domain, usual = REASONS.get(reason, (status, "global", reason))
    is_info = reason.isupper()
    inner: dict[str, Any] = {
        "message": message or usual,
        "domain": domain,
        "reason": "forbidden" if is_info else reason,
    }
    if location:
        inner |= {"location": location, "locationType": "header" if location == "Authorization" else "parameter"}
    outer: dict[str, Any] = {"code": status, "message": message or usual, "errors": [inner]}
    if reason == "insufficientPermissions":
        outer |= _scope_details()
    if is_info:
        outer |= {"status": _STATUS_WORDS.get(status, "FAILED_PRECONDITION"), "details": [_info(reason)]}
    return json_reply({"error": outer}, status)


def unauthenticated(*, missing: bool) -> Reply:
    """Return the answer to a token that is missing, or no good."""
    if not missing:
        return error_reply(401, "authError", location="Authorization")
    text = "Request is missing required authentication credential. Expected OAuth 2 access token."
    reply = error_reply(401, "required", "Login Required.", "Authorization")
    content = reply.json()
    content["error"] |= {"message": text, "status": _STATUS_WORDS[401]}
    return json_reply(content, 401)


def _scope_details() -> dict[str, Any]:
    info = _info("ACCESS_TOKEN_SCOPE_INSUFFICIENT")
    text = "Request had insufficient authentication scopes."
    return {"message": text, "status": _STATUS_WORDS[403], "details": [info]}


def _info(reason: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "drive.googleapis.com", "method": "google.apps.drive.v3.DriveFiles"},
    }

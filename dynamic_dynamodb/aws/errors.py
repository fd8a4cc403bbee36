"""What can go wrong with a call to AWS, with a sentence for the person who reads the log.

Errors of boto3 are turned into [AwsError][] at the place of the call, so that
no other room needs to know botocore's classes.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from dynamic_dynamodb.errors import DynamicDynamoDBError
from dynamic_dynamodb.output.wording import one_line

T = TypeVar("T")

_CREDENTIALS = "check the credentials"
_NETWORK = "check the region, --endpoint-url and the network"
_EXPIRED = "the temporary credentials have expired; renew them"
_LOG_IN = "log in again: aws sso login"
_CLOCK = "check the clock of this machine"
_SKEWED = ("Signature expired", "Signature not yet current")  # the code is that of any bad signature

# The answers after which credentials are looked for afresh: others may have taken their place.
_OUT_OF_DATE = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_NOT_KNOWN = frozenset(
    {
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
        "UnrecognizedClientException",
    }
)
RENEWABLE = _OUT_OF_DATE | _NOT_KNOWN

# What to do about the errors that the reader can mend, by AWS's code or, for
# errors raised before an answer came, by the name of botocore's class.
_HINTS = {
    "NoCredentialsError": "boto3 looked in the options, the environment, ~/.aws, SSO and the instance or task role; "
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or use --profile",
    "PartialCredentialsError": _CREDENTIALS,
    "SSOTokenLoadError": _LOG_IN,
    "UnauthorizedSSOTokenError": _LOG_IN,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    **dict.fromkeys(sorted(_OUT_OF_DATE), _EXPIRED),
    **dict.fromkeys(sorted(_NOT_KNOWN), _CREDENTIALS),
    "EndpointConnectionError": _NETWORK,
    "ConnectTimeoutError": _NETWORK,
    "ReadTimeoutError": _NETWORK,
    "no answer": _NETWORK,
    "ProxyConnectionError": "check the network and the proxy settings of the environment",
    "HTTPClientError": "check --endpoint-url, AWS_ENDPOINT_URL, HTTP_PROXY and HTTPS_PROXY",
    "SSLError": "check --endpoint-url and AWS_CA_BUNDLE",
    "ResourceNotFoundException": "it was deleted, or is in another region or account",
}
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"})
_SERVICES = {
    "ListTables": "dynamodb",
    "DescribeTable": "dynamodb",
    "UpdateTable": "dynamodb",
    "GetMetricData": "cloudwatch",
    "GetMetricStatistics": "cloudwatch",
    "Publish": "sns",
}
OPERATIONS = tuple(_SERVICES)
OUTCOMES = (SUCCEEDED, REFUSED, UNANSWERED) = ("succeeded", "refused", "unanswered")


LIMIT_EXCEEDED = "LimitExceededException"  # of DynamoDB; what is used up, only its text tells

_NAME = re.compile(r"[\w.-]+")
# What stands before a name in AWS's texts: table/NAME, Table: NAME, 'NAME', index NAME.
_MARKS = ("/", ":", "'", '"', "[", "(", ": ", "= ", "table ", "Table ", "index ", "Index ")

_BAD = "bad answer"
_REQUEST_ID = re.compile("[A-Za-z0-9=+/_-]{1,100}")
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)  # what botocore's parsers let through


class AwsError(DynamicDynamoDBError):
    """A call to AWS that failed, whatever the reason: refused, unanswered, or answered with nonsense.

    `operation` is AWS's name of it ("DescribeTable"), `code` AWS's error code
    or the name of botocore's exception, `message` AWS's text. `answered`: AWS
    has said what became of it; otherwise it may have done what was asked all the same.
    `repeated`: botocore has made the call more than once. `source`: of the credentials, where they are no good.
    `names`: of the tables and indexes that the call was about. `request_id`: AWS's name for the call.
    """

    def __init__(
        self,
        operation: str,
        code: str,
        message: str,
        *,
        answered: bool = True,
        repeated: bool = False,
        source: str = "",
        names: frozenset[str] = frozenset(),
        request_id: str = "",
    ) -> None:
        self.operation = operation
        self._names = names
        self.source = source
        self.request_id = request_id
        self.code = one_line(code)
        self.answered = answered
        self.repeated = repeated
        self.message = one_line(message)
        super().__init__(operation, self.code, self.message)

    def __str__(self) -> str:
        hint = self.hint
        return f"{self.operation} failed: {self.code}: {self.message}" + (f" ({hint})" if hint else "")

    @property
    def hint(self) -> str:
        """What the reader can do about it, or nothing."""
        if self.denied:
            return f"the IAM policy must allow {_SERVICES[self.operation]}:{self.operation}"
        if self.message.startswith(_SKEWED):
            return _CLOCK
        source = f"; they come from {self.source}" if self.source else ""
        return _HINTS.get(self.code, "") + source

    @property
    def wording(self) -> str:
        """AWS's text without the names of tables and indexes, in which any word may occur: what can be read from it."""
        # By one pattern for all names: Python would keep 512 of those that it was given.
        return _NAME.sub(self._unless_a_name, self.message) if self._names else self.message

    def _unless_a_name(self, found: re.Match[str]) -> str:
        """The word, or else only the full stop behind it."""
        name = found[0] if found[0] in self._names else found[0].rstrip(".")
        # One that could be any word, such as `account`, is a name where it is marked as one.
        if name not in self._names or (name.isalpha() and not found.string.endswith(_MARKS, 0, found.start())):
            return found[0]
        return found[0].removeprefix(name)

    @property
    def denied(self) -> bool:
        """Whether the credentials are good but lack the permission for this operation."""
        return self.code in _DENIED

    @property
    def silent(self) -> bool:
        """Whether nothing came back, not even nonsense."""
        return not self.answered and self.code != _BAD

    @property
    def not_found(self) -> bool:
        """Whether the table or index does not exist (any more)."""
        return self.code == "ResourceNotFoundException"


class BadAnswerError(AwsError):
    """An answer of AWS that lacks a field or has one of the wrong kind."""

    def __init__(self, operation: str, field: str) -> None:
        super().__init__(operation, _BAD, f"no usable {field}", answered=False)


class UnsignedError(DynamicDynamoDBError):
    """A call that was not sent, because the look-up for credentials to sign it with has failed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OutdatedError(DynamicDynamoDBError):
    """A call that botocore did not send again, because by then it could have undone what somebody else had done."""


class Calls:
    """How many calls to AWS were made since the process began, by operation and outcome, whichever thread made them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def note(self, operation: str, outcome: str) -> None:
        with self._lock:
            self._counts[operation, outcome] += 1

    def counts(self) -> dict[tuple[str, str], int]:
        with self._lock:
            return dict(self._counts)


CALLS = Calls()


def call(operation: str, method: Callable[..., T], **arguments: Any) -> T:
    """Call one method of a boto3 client.

    Raises AwsError, and nothing else, whatever the client raises: botocore's
    parsers let AttributeError, KeyError and the like through when an answer
    is malformed, and one bad answer must not be more than one failed call.
    """
    try:
        answer = method(**arguments)
    except Exception as error:
        failed = _aws_error(operation, error, frozenset(_names(arguments)))
        if not isinstance(error, UnsignedError):
            CALLS.note(operation, REFUSED if failed.answered else UNANSWERED)
        raise failed from error
    CALLS.note(operation, SUCCEEDED)
    return answer


def _names(arguments: Any) -> Iterator[str]:
    """Of the tables and indexes in the arguments of a call."""
    if isinstance(arguments, dict):
        for key, value in arguments.items():
            if key in ("TableName", "IndexName"):
                yield value
            else:
                yield from _names(value)
    elif isinstance(arguments, list):
        for value in arguments:
            yield from _names(value)


def _aws_error(operation: str, error: Exception, names: frozenset[str]) -> AwsError:
    if isinstance(error, UnsignedError):  # never sent, so that nothing can have come of it
        return AwsError(operation, error.code, str(error))
    if isinstance(error, OutdatedError):  # what became of the attempt before is not known
        return AwsError(operation, "not retried", str(error), answered=False)
    code, message = type(error).__name__, str(error)
    response = getattr(error, "response", None)  # botocore's ClientError: the service answered and refused
    refusal = response.get("Error") if isinstance(response, dict) else None
    if not isinstance(response, dict) or not isinstance(refusal, dict):
        if isinstance(error, _UNREADABLE):
            code, message = _BAD, f"boto3 cannot read it ({code}: {message})"
        return AwsError(operation, code, message, answered=False)
    about = response.get("ResponseMetadata")
    attempts = about.get("RetryAttempts") if isinstance(about, dict) else None
    code, message = str(refusal.get("Code") or code), str(refusal.get("Message") or message)
    source = one_line(str(refusal.get("Source") or ""))
    named = request_id(response)
    return AwsError(operation, code, message, repeated=bool(attempts), source=source, names=names, request_id=named)


def request_id(answer: object) -> str:
    """AWS's name for the call that this answers; empty where it gives none."""
    about = answer.get("ResponseMetadata") if isinstance(answer, dict) else None
    found = about.get("RequestId") if isinstance(about, dict) else None
    return found if isinstance(found, str) and _REQUEST_ID.fullmatch(found) else ""


def facts(error: Exception) -> dict[str, Any]:
    """Of a failure, for a log that programs read."""
    if not isinstance(error, AwsError):
        return {"code": type(error).__name__}
    of_call = {"request_id": error.request_id} if error.request_id else {}
    return {"operation": error.operation, "code": error.code, **of_call}

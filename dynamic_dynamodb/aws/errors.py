"""The errors of calls to AWS, with hints for the reader of the log.

boto3's errors are converted to [AwsError][] where the call is made, so that no other package needs to know botocore's
classes.
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
_SKEWED = ("Signature expired", "Signature not yet current")  # AWS uses the same code for any bad signature

# After these answers, credentials are looked up again: there may be new ones.
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

# What to do about the errors that the reader can fix, by AWS's code or, for errors without an answer, by the name of
# botocore's class.
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


LIMIT_EXCEEDED = "LimitExceededException"  # of DynamoDB; only its text says what has run out

_NAME = re.compile(r"[\w.-]+")
# What precedes a name in AWS's texts: table/NAME, Table: NAME, 'NAME', index NAME.
_MARKS = ("/", ":", "'", '"', "[", "(", ": ", "= ", "table ", "Table ", "index ", "Index ")

_BAD = "bad answer"
_REQUEST_ID = re.compile("[A-Za-z0-9=+/_-]{1,100}")
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)  # botocore's parsers do not catch these


class AwsError(DynamicDynamoDBError):
    """A call to AWS that failed for any reason: refused, not answered, or with a bad answer.

    `operation` is AWS's name for it ("DescribeTable"), `code` AWS's error code or the name of botocore's exception,
    `message` AWS's text. `answered`: whether AWS reported the outcome; if not, the call may have had an effect.
    `repeated`: whether botocore made the call more than once. `source`: where the credentials come from, if AWS refused
    them. `names`: the tables and indexes in the call. `request_id`: AWS's ID of the call.
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
        """AWS's text without the names of tables and indexes, which may contain any word."""
        # One pattern for all names: Python would cache 512 patterns of single names.
        return _NAME.sub(self._unless_a_name, self.message) if self._names else self.message

    def _unless_a_name(self, found: re.Match[str]) -> str:
        """The word, unless it is a name; of a name, only the full stop after it."""
        name = found[0] if found[0] in self._names else found[0].rstrip(".")
        # A name that could be any word, such as `account`, counts as a name only after one of the marks.
        if name not in self._names or (name.isalpha() and not found.string.endswith(_MARKS, 0, found.start())):
            return found[0]
        return found[0].removeprefix(name)

    @property
    def denied(self) -> bool:
        """Whether the credentials are good but lack the permission for this operation."""
        return self.code in _DENIED

    @property
    def silent(self) -> bool:
        """Whether there was no answer at all, not even a bad one."""
        return not self.answered and self.code != _BAD

    @property
    def not_found(self) -> bool:
        """Whether the table or index does not exist (any more)."""
        return self.code == "ResourceNotFoundException"


class BadAnswerError(AwsError):
    """An answer from AWS in which a field is missing or has the wrong type."""

    def __init__(self, operation: str, field: str) -> None:
        super().__init__(operation, _BAD, f"no usable {field}", answered=False)


class UnsignedError(DynamicDynamoDBError):
    """A call that was not sent because the look-up for credentials failed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OutdatedError(DynamicDynamoDBError):
    """A call that botocore did not retry, because by then it could have undone a change by somebody else."""


class Calls:
    """The number of calls to AWS since the process started, by operation and outcome, from all threads."""

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

    Raises only AwsError, whatever the client raises: botocore's parsers do not catch AttributeError, KeyError and
    similar errors from a malformed answer, and one bad answer must not be more than one failed call.
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
    """The tables and indexes in the arguments of a call."""
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
    if isinstance(error, UnsignedError):  # never sent, so it had no effect
        return AwsError(operation, error.code, str(error))
    if isinstance(error, OutdatedError):  # the outcome of the attempt before is not known
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
    """AWS's ID of the call with this answer; empty if there is none."""
    about = answer.get("ResponseMetadata") if isinstance(answer, dict) else None
    found = about.get("RequestId") if isinstance(about, dict) else None
    return found if isinstance(found, str) and _REQUEST_ID.fullmatch(found) else ""


def facts(error: Exception) -> dict[str, Any]:
    """The fields of a failure for a log in JSON."""
    if not isinstance(error, AwsError):
        return {"code": type(error).__name__}
    of_call = {"request_id": error.request_id} if error.request_id else {}
    return {"operation": error.operation, "code": error.code, **of_call}

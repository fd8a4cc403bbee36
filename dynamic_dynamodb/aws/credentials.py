"""The credentials of all clients. They are looked up when a call needs them, for at most 20 seconds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import botocore.credentials
import botocore.exceptions

from dynamic_dynamodb.aws.errors import RENEWABLE, UnsignedError
from dynamic_dynamodb.output.masking import hide

# A look-up is given up after this time: a credential_process may wait for a person, and a metadata service may send a
# byte now and then.
PATIENCE = 20.0  # seconds

_NONE = UnsignedError("NoCredentialsError", "Unable to locate credentials")
_CODE = "CredentialRetrievalError"  # botocore uses it for most of these errors


class Search(Protocol):
    """One look-up in all places that may have credentials. `place` is the current one, and at the end their source."""

    @property
    def place(self) -> str: ...

    def find(self) -> Any:
        """Credentials of botocore's type, or None if there are none."""

    def kill(self) -> None:
        """End the processes that the look-up started, with their children."""


class _Found(NamedTuple):
    credentials: Any  # botocore's
    frozen: Any  # one consistent reading of them
    place: str

    def expires_within(self, seconds: int | None = None) -> bool:
        """By default: within the time at which botocore renews them."""
        refresh_needed = getattr(self.credentials, "refresh_needed", None)
        return refresh_needed is not None and bool(refresh_needed(seconds))


class Keys(botocore.credentials.Credentials):  # type: ignore[misc]  # botocore has no types
    """The credentials of a session.

    botocore looks for credentials once, when a client is created, and if there are none it never looks again. Here the
    first call that needs them starts a look-up. They are looked up again, including the files, before they expire; in
    the check after AWS refused them; and once per check if there are none. All threads wait for the same look-up.
    """

    def __init__(self, search: Callable[[], Search], patience: float = PATIENCE) -> None:
        super().__init__("", "", method="deferred")
        self._search = search
        self._patience = patience
        self._lock = threading.Lock()
        self._found: _Found | None = None
        self._running: _LookUp | None = None
        self._looked = False  # in this check
        self._error: UnsignedError | None = None  # of the look-up of this check
        self._refused = False

    def load_credentials(self) -> Keys:
        """The interface that botocore expects of a component that finds credentials."""
        return self

    def next_check(self) -> None:
        """Allow a new look-up after a failed one, and stop using credentials that were refused."""
        with self._lock:
            self._looked, self._error = False, None
            if self._refused:
                self._found, self._refused = None, False

    def note_refusal(self, parsed: Any, **_: Any) -> None:
        """Botocore's after-call event: add the source of the credentials to an answer that refuses them."""
        refusal = parsed.get("Error") if isinstance(parsed, dict) else None
        if isinstance(refusal, dict) and refusal.get("Code") in RENEWABLE:
            with self._lock:
                self._refused = True
                refusal["Source"] = self._found.place if self._found else ""

    def close(self) -> None:
        """End the processes of a running look-up."""
        with self._lock:
            running = self._running
        if running is not None:
            running.kill()

    # What botocore signs with

    def get_frozen_credentials(self) -> Any:
        return self._present().frozen

    def get_deferred_property(self, property_name: str) -> Callable[[], Any]:
        """For DynamoDB endpoints that contain the account number."""
        return lambda: getattr(self._present().frozen, property_name, None)

    def _present(self) -> _Found:
        with self._lock:
            if not self._due():
                return self._usable()
            if self._running is None:
                self._running = _LookUp(self._search(), self._patience)
            running = self._running
        running.start()
        running.wait()
        with self._lock:
            if self._running is running:  # the first thread that waited
                self._running, self._looked = None, True
                self._found, self._error = running.found or self._found, running.error
            return self._usable()

    def _due(self) -> bool:
        if self._found is None or self._found.expires_within(0):
            return self._error is None
        return not self._looked and self._found.expires_within()

    def _usable(self) -> _Found:
        """Raises UnsignedError if there are no usable ones. Credentials that have not expired yet are usable."""
        if self._found is not None and (self._error is None or not self._found.expires_within(0)):
            return self._found
        error = self._error or _NONE
        raise UnsignedError(error.code, str(error))  # a new object, because each raise adds a traceback to it


class _LookUp:
    """One look-up in a separate thread, which is given up after `patience` seconds.

    If the system cannot start a thread, the caller's thread does the look-up, however long that takes.
    """

    def __init__(self, search: Search, patience: float) -> None:
        self._search = search
        self._patience = patience
        self._end = time.monotonic() + patience
        self._ended = threading.Event()
        self._outcome: _Found | UnsignedError | None = None
        self._lock = threading.Lock()
        self._started = False

    def start(self) -> None:
        """Start it, unless it has been started."""
        with self._lock:
            if self._started:
                return
            self._started = True
        try:
            # A daemon thread, so Python does not wait for it at exit.
            threading.Thread(target=self._run, name="credentials", daemon=True).start()
        except RuntimeError:  # the system's limit
            self._run()

    @property
    def found(self) -> _Found | None:
        return self._outcome if isinstance(self._outcome, _Found) else None

    @property
    def error(self) -> UnsignedError | None:
        return self._outcome if isinstance(self._outcome, UnsignedError) else None

    def wait(self) -> None:
        if not self._ended.wait(max(0.0, self._end - time.monotonic())):
            text = f"no credentials within {self._patience:g} s; retried in the next check"
            self._finish(UnsignedError(_CODE, f"{self._search.place}: {text}"))
            self.kill()

    def kill(self) -> None:
        self._search.kill()

    def _run(self) -> None:
        try:
            self._finish(self._find())
        except Exception as error:  # noqa: BLE001 - botocore's parsers let anything through
            self._finish(_unsigned(self._search.place, error))

    def _find(self) -> _Found | UnsignedError:
        credentials = self._search.find()
        if credentials is None:
            return _NONE
        frozen = credentials.get_frozen_credentials()
        # An error may quote them: AWS shows the string that it signed, http.client a header that it cannot send.
        hide("the secret key that signs", frozen.secret_key or "")
        hide("the session token", frozen.token or "")
        _check(frozen, of_environment=getattr(credentials, "method", None) == "env")
        return _Found(credentials, frozen, self._search.place)

    def _finish(self, outcome: _Found | UnsignedError) -> None:
        with self._lock:
            if not self._ended.is_set():  # otherwise it was given up, and the result is too late
                self._outcome = outcome
                self._ended.set()


_PARTS = {"access_key": "access key ID", "secret_key": "secret access key", "token": "session token"}


_VARIABLES = {
    "access_key": ("AWS_ACCESS_KEY_ID",),
    "secret_key": ("AWS_SECRET_ACCESS_KEY",),
    "token": ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
}


def _check(frozen: Any, *, of_environment: bool) -> None:
    """Raises ValueError for characters that keys do not have. The error from a header with them would be a riddle."""
    for part, name in _PARTS.items():
        value = getattr(frozen, part) or ""
        if not (value.isascii() and value.isprintable() and " " not in value):
            variables = [one for one in _VARIABLES[part] if of_environment and os.environ.get(one)]
            where = f" ({variables[0]})" if variables else ""
            raise ValueError(
                f"the {name}{where} contains a space, a line break or another character that keys do not have"
            )


def _unsigned(place: str, error: Exception) -> UnsignedError:
    code = type(error).__name__ if isinstance(error, botocore.exceptions.BotoCoreError) else _CODE
    return UnsignedError(code, f"{place}: {_text(error)}")


def _text(error: Exception) -> str:
    if isinstance(error, botocore.exceptions.ClientError):  # from STS or SSO, which botocore calls by itself
        refusal = error.response.get("Error", {})
        return f"{error.operation_name} was refused: {refusal.get('Code')}: {refusal.get('Message')}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, KeyError):
        return f"no {error} in the answer"
    return str(error) or type(error).__name__

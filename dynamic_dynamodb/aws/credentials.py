"""The credentials that all clients sign with: looked for when a call needs them, and no longer than 20 seconds."""

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

# A look-up is given up after so many seconds: a credential_process may wait for a person, a metadata service
# may send a byte now and then.
PATIENCE = 20.0

_NONE = UnsignedError("NoCredentialsError", "Unable to locate credentials")
_CODE = "CredentialRetrievalError"  # botocore's own for most of what goes wrong here


class Search(Protocol):
    """One look-up along the places where credentials may be. `place` is the present one, and in the end theirs."""

    @property
    def place(self) -> str: ...

    def find(self) -> Any:
        """Credentials of botocore's, or None where there are none."""

    def kill(self) -> None:
        """End the processes that the look-up has started, with their children."""


class _Found(NamedTuple):
    credentials: Any  # botocore's
    frozen: Any  # one reading of them, which belongs together
    place: str

    def expires_within(self, seconds: int | None = None) -> bool:
        """By default: within the time in which botocore would renew them."""
        refresh_needed = getattr(self.credentials, "refresh_needed", None)
        return refresh_needed is not None and bool(refresh_needed(seconds))


class Keys(botocore.credentials.Credentials):  # type: ignore[misc]  # botocore has no types
    """The credentials of a session.

    botocore looks for credentials once, when a client is built, and takes "none" for an answer for good. Here the
    first call that needs them looks. They are looked for afresh, from the files on, before they expire; in the check
    after AWS has refused them; and, where there are none, once in each check. All threads wait for the same look-up.
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
        """What botocore asks of the component that finds credentials."""
        return self

    def next_check(self) -> None:
        """From now on a look-up that has failed may be tried again, and what was refused is no longer used."""
        with self._lock:
            self._looked, self._error = False, None
            if self._refused:
                self._found, self._refused = None, False

    def note_refusal(self, parsed: Any, **_: Any) -> None:
        """Botocore's after-call event: an answer which says that these credentials are no good names their source."""
        refusal = parsed.get("Error") if isinstance(parsed, dict) else None
        if isinstance(refusal, dict) and refusal.get("Code") in RENEWABLE:
            with self._lock:
                self._refused = True
                refusal["Source"] = self._found.place if self._found else ""

    def close(self) -> None:
        """End what a look-up under way has started."""
        with self._lock:
            running = self._running
        if running is not None:
            running.kill()

    # What botocore signs with

    def get_frozen_credentials(self) -> Any:
        return self._present().frozen

    def get_deferred_property(self, property_name: str) -> Callable[[], Any]:
        """What DynamoDB's endpoint is made of where it has the account's number in it."""
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
            if self._running is running:  # the first of those who waited
                self._running, self._looked = None, True
                self._found, self._error = running.found or self._found, running.error
            return self._usable()

    def _due(self) -> bool:
        if self._found is None or self._found.expires_within(0):
            return self._error is None
        return not self._looked and self._found.expires_within()

    def _usable(self) -> _Found:
        """Raises UnsignedError where there is nothing else; what has not expired yet is used as it stands."""
        if self._found is not None and (self._error is None or not self._found.expires_within(0)):
            return self._found
        error = self._error or _NONE
        raise UnsignedError(error.code, str(error))  # a new one: each raise adds a traceback to what it raises


class _LookUp:
    """One look-up, in a thread of its own, which nobody waits for any longer than `patience` seconds.

    Where the system starts no thread for it the caller's does it, for as long as that takes.
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
        """Unless it was started before."""
        with self._lock:
            if self._started:
                return
            self._started = True
        try:
            # A daemon thread: Python does not wait for it when the program ends.
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
            text = f"no credentials within {self._patience:g} s: given up until the next check"
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
        # An error may quote them: AWS shows what it would have signed, http.client a header that it cannot send.
        hide("the secret key that signs", frozen.secret_key or "")
        hide("the session token", frozen.token or "")
        _check(frozen, of_environment=getattr(credentials, "method", None) == "env")
        return _Found(credentials, frozen, self._search.place)

    def _finish(self, outcome: _Found | UnsignedError) -> None:
        with self._lock:
            if not self._ended.is_set():  # else it was given up, and is too late
                self._outcome = outcome
                self._ended.set()


_PARTS = {"access_key": "access key ID", "secret_key": "secret access key", "token": "session token"}


_VARIABLES = {
    "access_key": ("AWS_ACCESS_KEY_ID",),
    "secret_key": ("AWS_SECRET_ACCESS_KEY",),
    "token": ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
}


def _check(frozen: Any, *, of_environment: bool) -> None:
    """Raises ValueError for what no key has. In a header, and so in an error, it would be a riddle."""
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
    if isinstance(error, botocore.exceptions.ClientError):  # of STS or SSO: none of the calls that are ours
        refusal = error.response.get("Error", {})
        return f"{error.operation_name} was refused: {refusal.get('Code')}: {refusal.get('Message')}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, KeyError):
        return f"no {error} in the answer"
    return str(error) or type(error).__name__

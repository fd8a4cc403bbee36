"""Credentials that are looked for when a call needs them, and not before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import botocore.credentials
import botocore.exceptions

from dynamic_dynamodb.output.masking import hide


class Chain:
    """botocore's chain of credential providers, deferred."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load

    def load_credentials(self) -> botocore.credentials.Credentials:
        return _Credentials(self._load)


class _Credentials(botocore.credentials.Credentials):  # type: ignore[misc]  # botocore has no types
    """Credentials that are looked for when a request is signed, and again by the next one until there are some.

    botocore looks once, when a client is built, and takes "none" for an answer
    for good. But at boot the role of an instance may come later than this
    program, and a look-up may hang: in a call it can be abandoned.
    """

    def __init__(self, load: Callable[[], Any]) -> None:
        super().__init__("", "", method="deferred")
        self._load = load
        self._found: Any = None
        self._lock = threading.Lock()

    def get_frozen_credentials(self) -> Any:
        found = self._look()
        if found is None:
            raise botocore.exceptions.NoCredentialsError
        frozen = found.get_frozen_credentials()
        # An error may quote them: AWS shows what it would have signed, http.client a header that it cannot send.
        hide("the secret key that signs", frozen.secret_key or "")
        hide("the session token", frozen.token or "")
        return frozen

    def get_deferred_property(self, property_name: str) -> Callable[[], Any]:
        """What DynamoDB's endpoint is made of where it has the account's number in it."""

        def look() -> Any:
            found = self._look()
            return None if found is None else found.get_deferred_property(property_name)()

        return look

    def _look(self) -> Any:
        with self._lock:
            if self._found is None:
                self._found = self._load()
            return self._found

"""The one place that builds boto3 clients. Slow to import."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any

import boto3
import botocore.credentials
import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.utils import parse_timestamp

from dynamic_dynamodb import __version__
from dynamic_dynamodb.errors import ConfigError, one_line
from dynamic_dynamodb.loop import Clients
from dynamic_dynamodb.masking import hide
from dynamic_dynamodb.workers import MOST_THREADS, StoppedError, given_up


def clients(general: Mapping[str, Any], stopping: Callable[[], bool] = lambda: False) -> Clients:
    """One session for all three clients, from the [global] part of the config dict.

    Time-outs and attempts are bounded, so that no dead endpoint hangs a check;
    `stopping` tells whether the program shall end: no call is repeated then.
    Raises ConfigError where the AWS configuration (profile, region, files) cannot be used.
    """
    settings = Config(
        connect_timeout=3,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=MOST_THREADS,  # or urllib3 complains of connections that it cannot keep
        parameter_validation=False,  # the service checks, too, and 500 queries take it 11 ms
        user_agent_extra=f"dynamic-dynamodb/{__version__}",
    )
    static = general["aws_access_key_id"] is not None
    try:
        session = boto3.Session(
            aws_access_key_id=general["aws_access_key_id"],
            aws_secret_access_key=general["aws_secret_access_key"],
            region_name=general["region"],
            botocore_session=_session(None if static else general["profile"], static=static),
        )
        session.events.register("before-send", partial(_do_not_send, stopping))
        return Clients(
            *(
                session.client(service, endpoint_url=general["endpoint_url"], config=settings)
                for service in ("dynamodb", "cloudwatch", "sns")
            )
        )
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise _config_error(error) from error


def profile_region(profile: str | None) -> str | None:
    """The region that AWS's configuration files name, for the profile or the default one.

    Raises ConfigError where they cannot be used.
    """
    try:
        region = botocore.session.Session(profile=profile).get_config_variable("region")
    except botocore.exceptions.BotoCoreError as error:
        raise _config_error(error) from error
    return str(region) if region else None


def _config_error(error: Exception) -> ConfigError:
    return ConfigError([f"AWS configuration: {one_line(str(error))}"])


def _do_not_send(stopping: Callable[[], bool], request: Any, **_: Any) -> None:
    """Refuse to send what has been given up, and botocore's second and third attempts when the program shall end."""
    if given_up():
        raise StoppedError("given up meanwhile")
    if stopping() and not request.headers.get("amz-sdk-request", b"attempt=1").startswith(b"attempt=1"):
        raise StoppedError("the program was told to end")


def _session(profile: str | None, *, static: bool) -> botocore.session.Session:
    """A session of botocore's, whose credentials are looked for by the first call that needs them.

    `static`: they are given, and AWS_PROFILE in the environment is not for us.
    """
    without_environment: dict[str, Any] | None = {"profile": (None, [], None, None)} if static else None
    session = botocore.session.Session(without_environment, profile=profile)
    session.full_config  # noqa: B018 - read here, so that a bad file is told before anything else
    chain = session.get_component("credential_provider")
    session.register_component("credential_provider", _Chain(chain.load_credentials))
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return session


def _moment(value: Any) -> Any:
    """A timestamp of an answer; datapoints have thousands, and botocore's way over the local time zone is slow."""
    return datetime.fromtimestamp(value, timezone.utc) if type(value) in (int, float) else parse_timestamp(value)


class _Chain:
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

"""The one place that builds boto3 clients. Slow to import."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.utils import parse_timestamp

from dynamic_dynamodb import __version__
from dynamic_dynamodb.aws import sources
from dynamic_dynamodb.aws.calls import MOST_THREADS, StoppedError, given_up, outdated
from dynamic_dynamodb.aws.clients import Clients
from dynamic_dynamodb.aws.credentials import PATIENCE, Keys, Search
from dynamic_dynamodb.aws.errors import LIMIT_EXCEEDED, OutdatedError
from dynamic_dynamodb.aws.sns import Topics
from dynamic_dynamodb.aws.sources import Chain, Pair
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.output.masking import mask_url
from dynamic_dynamodb.output.wording import one_line

_REGION = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")


def connect(
    general: Mapping[str, Any], stopping: Callable[[], bool] = lambda: False, patience: float = PATIENCE
) -> Clients:
    """One session for all clients, from the [global] part of the config dict.

    Time-outs and attempts are bounded, so that a dead endpoint does not block a check. `stopping` returns whether the
    program must stop: then no call is retried. `patience`: how many seconds to wait for credentials.
    Raises ConfigError if the AWS configuration (profile, region, files) cannot be used.
    """
    settings = Config(
        connect_timeout=3,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=MOST_THREADS,  # or urllib3 warns about connections that it cannot keep
        parameter_validation=False,  # the service validates too, and here 500 queries take 11 ms
        user_agent_extra=f"dynamic-dynamodb/{__version__}",
    )
    keys = Keys(partial(_search, general), patience)
    try:
        _check_region(general["region"])
        session = boto3.Session(region_name=general["region"], botocore_session=_session(general, keys))
        session.events.register("before-send", partial(_do_not_send, stopping))
        session.events.register("response-received.dynamodb", _do_not_repeat)
        session.events.register("after-call", keys.note_refusal)
        client = partial(_client, session, endpoint_url=general["endpoint_url"], config=settings)
        return Clients(
            client("dynamodb"),
            client("cloudwatch"),
            Topics(lambda region: client("sns", region_name=region), {general["region"]: client("sns")}),
            next_check=keys.next_check,
            end=keys.close,
        )
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise _config_error(error) from error


def _client(session: boto3.Session, service: str, **more: Any) -> Any:
    """Raises ValueError if the environment or the profile names an unusable endpoint."""
    client = session.client(service, **more)
    url = client.meta.endpoint_url
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a bad port
        valid = False
    if not valid:
        raise ValueError(f"Invalid endpoint: {mask_url(url)}")  # the same words as botocore's
    return client


def _check_region(region: str) -> None:
    """Raises ValueError if it cannot be part of a host name; botocore accepts one that ends with a line break."""
    if not _REGION.fullmatch(region):
        names = [name for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if os.environ.get(name) == region]
        raise ValueError(f"{names[0] if names else 'the region'}: {region!r} is not a region; write one like eu-west-1")


def _check_bundle(session: botocore.session.Session) -> None:
    """Raises ValueError if the certificates for TLS cannot be read."""
    path = session.get_config_variable("ca_bundle")
    if path:
        try:
            Path(path).open("rb").close()
        except OSError as error:
            raise ValueError(f"AWS_CA_BUNDLE, or ca_bundle in the AWS profile: {path}: {error.strerror}") from error


def _search(general: Mapping[str, Any]) -> Search:
    """A look-up for credentials. A key pair in the options has precedence over everything else."""
    if general["aws_access_key_id"] is not None:
        return Pair(general["aws_access_key_id"], general["aws_secret_access_key"])
    return Chain(general["profile"], general["region"])


def profile_region(profile: str | None) -> tuple[str | None, str]:
    """The region in AWS's configuration files for this profile or, if None, for the profile in use; and its name.

    Raises ConfigError if the files cannot be used.
    """
    session = botocore.session.Session(profile=profile)
    try:
        return session.get_config_variable("region") or None, session.profile or "default"
    except botocore.exceptions.BotoCoreError as error:
        raise _config_error(error) from error


def known_regions() -> frozenset[str]:
    """All regions with DynamoDB, in all partitions, that this boto3 knows."""
    session = botocore.session.Session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("dynamodb", partition)
    )


def sets_endpoint(profile: str | None) -> bool:
    """Whether AWS's configuration files set an endpoint for any service. True also if they cannot be read."""
    session = botocore.session.Session(profile=profile)
    try:
        own = session.get_scoped_config()
        services = session.full_config.get("services", {}).get(own.get("services"), {})
    except botocore.exceptions.BotoCoreError:  # reported when they are needed
        return True
    return any("endpoint_url" in settings for settings in (own, *services.values()) if isinstance(settings, dict))


def _config_error(error: Exception) -> ConfigError:
    text = one_line(str(error))
    if text.startswith(("Invalid endpoint: ", "Invalid IPv6 URL")):
        text += (
            "; check --endpoint-url, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE> and endpoint_url in the AWS profile"
        )
    return ConfigError([f"AWS configuration: {text}"])


def _do_not_send(stopping: Callable[[], bool], request: Any, **_: Any) -> None:
    """Do not send a call that was given up, nor botocore's second and third attempts if they come too late."""
    if given_up():
        raise StoppedError("given up meanwhile")
    if request.headers.get("amz-sdk-request", b"attempt=1").startswith(b"attempt=1"):
        return
    if stopping():
        raise StoppedError("the program is stopping")
    if outdated():
        raise OutdatedError("an attempt failed, and the table's description is too old to send another")


def _do_not_repeat(parsed_response: Any, exception: Any, event_name: str, **_: Any) -> None:
    """Raise LimitExceededException at once: botocore takes it for throttling, and retries after pauses.

    DynamoDB uses it when something has run out: decreases, a quota, or the tables that can be changed at once. Raised
    here, it uses none of the retries that botocore allows a client for transient errors. The cause of a missing answer
    is raised too if the call must not be sent again, because it says more than the fact that it was not sent.
    """
    if exception is not None and outdated():
        raise exception
    error = parsed_response.get("Error") if isinstance(parsed_response, dict) else None
    if isinstance(error, dict) and error.get("Code") == LIMIT_EXCEEDED:
        raise botocore.exceptions.ClientError(parsed_response, event_name.rpartition(".")[2])


def _session(general: Mapping[str, Any], keys: Keys) -> botocore.session.Session:
    """A botocore session that signs with these keys. If the options have a key pair, AWS_PROFILE does not count."""
    pair = general["aws_access_key_id"] is not None
    without_environment: dict[str, Any] | None = {"profile": (None, [], None, None)} if pair else None
    session = botocore.session.Session(without_environment, profile=None if pair else general["profile"])
    session.full_config  # noqa: B018 - read here, so that a bad file is reported before anything else
    _check_bundle(session)
    if not pair:
        sources.check(session)
    session.register_component("credential_provider", keys)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return session


def _moment(value: Any) -> Any:
    """A timestamp in an answer. There are thousands of datapoints, and botocore's detour over local time is slow.

    A value that is not a timestamp, or is beyond the calendar, is returned unchanged: an error here would lose the
    whole answer. The code that reads the field finds that it is unusable, and nothing else is lost.
    """
    try:
        return datetime.fromtimestamp(value, timezone.utc) if type(value) in (int, float) else parse_timestamp(value)
    except (ArithmeticError, OSError, RuntimeError, TypeError, ValueError):
        return value

"""The one place that builds boto3 clients. Slow to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
import botocore.exceptions
import botocore.session
from botocore.config import Config

from dynamic_dynamodb import __version__
from dynamic_dynamodb.errors import ConfigError
from dynamic_dynamodb.loop import Clients
from dynamic_dynamodb.workers import THREADS


def clients(general: Mapping[str, Any]) -> Clients:
    """One session for all three clients, from the [global] part of the config dict.

    Time-outs and attempts are bounded, so that no dead endpoint hangs a check.
    Raises ConfigError where the AWS configuration (profile, region, files) cannot be used.
    """
    settings = Config(
        connect_timeout=3,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=THREADS,
        user_agent_extra=f"dynamic-dynamodb/{__version__}",
    )
    static = general["aws_access_key_id"] is not None
    try:
        session = boto3.Session(
            aws_access_key_id=general["aws_access_key_id"],
            aws_secret_access_key=general["aws_secret_access_key"],
            region_name=general["region"],
            profile_name=None if static else general["profile"],
        )
        return Clients(
            *(
                session.client(service, endpoint_url=general["endpoint_url"], config=settings)
                for service in ("dynamodb", "cloudwatch", "sns")
            )
        )
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise ConfigError([f"AWS configuration: {error}"]) from error


def profile_region(profile: str | None) -> str | None:
    """The region that AWS's configuration files name, for the profile or the default one.

    Raises ConfigError where they cannot be used.
    """
    try:
        region = botocore.session.Session(profile=profile).get_config_variable("region")
    except botocore.exceptions.BotoCoreError as error:
        raise ConfigError([f"AWS configuration: {error}"]) from error
    return str(region) if region else None

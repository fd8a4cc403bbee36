"""The three clients that everything here talks to AWS through; connection.py makes boto3's."""

from __future__ import annotations

from typing import Any, NamedTuple


class Clients(NamedTuple):
    """boto3's clients, or the simulation's, which have the same methods."""

    dynamodb: Any
    cloudwatch: Any
    sns: Any

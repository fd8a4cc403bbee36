"""A model of DynamoDB, CloudWatch and SNS under a virtual clock."""

from dynamic_dynamodb.simulation.account import START, Rules
from dynamic_dynamodb.simulation.refusal import RefusedError
from dynamic_dynamodb.simulation.world import World

__all__ = ["START", "RefusedError", "Rules", "World"]

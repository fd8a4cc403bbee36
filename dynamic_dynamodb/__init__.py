"""Dynamic DynamoDB: scales the provisioned throughput of DynamoDB tables and their global secondary indexes.

The version is a literal, because looking it up in the package metadata would
take `--version` more time than starting Python.
"""

__version__ = "3.0.0"

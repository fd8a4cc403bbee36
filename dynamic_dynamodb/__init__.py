"""Dynamic DynamoDB: scales the provisioned throughput of DynamoDB tables and their global secondary indexes.

The version stands here as a literal, because looking it up in the package
metadata costs `--version` more time than Python's own start.
"""

__version__ = "3.0.0"

"""The boundary to AWS: neither boto3 nor its errors are visible outside.

May import: decisions, output.

Provides: the operations (dynamodb, cloudwatch, sns), parallel calls that are given up when they hang (calls), errors
(errors), the clients (clients; connection creates them, credentials signs with what sources finds), and the minimal
policy (iam).
"""

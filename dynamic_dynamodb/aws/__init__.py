"""The one wall around AWS: nothing of boto3, and no error of its, gets past it.

May import: decisions, output.

Hands out: what to call (dynamodb, cloudwatch, sns), calls side by side with an end to those that hang (calls), their
errors (errors), the clients (clients; connection makes them, credentials signs with what sources finds), the least
policy (iam).
"""

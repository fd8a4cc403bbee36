"""A strict model of DynamoDB, CloudWatch and SNS under a virtual clock.

May import: decisions.

Hands out: a world whose clients the loop takes for AWS's (world), its rules and its start (account), what it refuses
(refusal).
"""

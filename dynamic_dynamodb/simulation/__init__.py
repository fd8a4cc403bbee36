"""A strict model of DynamoDB, CloudWatch and SNS under a virtual clock.

May import: decisions.

Provides: a world whose clients replace AWS's for the loop (world), its rules and its start (account), its refusals
(refusal).
"""

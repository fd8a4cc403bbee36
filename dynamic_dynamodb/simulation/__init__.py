"""A model of DynamoDB, CloudWatch and SNS under a virtual clock."""

"""`python -m dynamic_dynamodb` is the console script `dynamic-dynamodb`."""

import sys

from dynamic_dynamodb.cli import main

sys.exit(main())

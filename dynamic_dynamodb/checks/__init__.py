"""One check over all tables, and the schedule of checks.

May import: aws, configuration, decisions, output.

Hands out: the schedule (loop) and one check (check). A check asks `inventory` what
there is, `guards` and `breaker` what may be changed, tells `notifier` what was, counts it in `tally`,
and leaves in `state` what the next one needs.
"""

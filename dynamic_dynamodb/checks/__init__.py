"""One check over all tables, and the loop that repeats it.

May import: aws, configuration, decisions, output.

Provides: the loop (loop) and one check (check). A check gets the tables from `inventory`, asks `guards` and `breaker`
what may be changed, reports changes to `notifier`, counts them in `tally`, and leaves in `state` what the next check
needs.
"""

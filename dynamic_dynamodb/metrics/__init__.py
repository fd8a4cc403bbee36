"""What the program tells a monitoring system: metrics in Prometheus's format, and whether it is well.

May import: aws, checks, configuration, daemon, decisions, output.

Hands out: the metrics of a process, served and written to a file after each check (publisher). Behind it, `families`
declares each metric once, `exposition` words them, and `server` answers HTTP. prometheus-client is an optional extra.
"""

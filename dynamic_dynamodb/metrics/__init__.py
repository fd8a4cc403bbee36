"""Data for monitoring systems: metrics in Prometheus's format, and the health of the program.

May import: aws, checks, configuration, daemon, decisions, output.

Provides: the metrics of a process, served and written to a file after each check (publisher). Behind it, `families`
declares each metric once, `exposition` renders them, and `server` answers HTTP. prometheus-client is optional.
"""

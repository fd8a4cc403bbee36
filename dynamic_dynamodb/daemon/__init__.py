"""One process per name: how it starts and stops, and how it reports that it runs.

May import: output.

Provides: start, stop, restart and foreground around a callable (daemonizer), `status` (status), one live process per
name (pidfile), signals as flags (signals), messages to systemd (systemd), the state of a process after each check
(heartbeat), and the file that keeps it and more for the next process (statefile). It knows nothing about DynamoDB.
"""

"""One process a name: how it starts, is told to end, and says that it runs.

May import: output.

Hands out: start, stop, restart, status and foreground around a callable (daemonizer), one live process a name
(pidfile), signals as flags (signals), what systemd is told (systemd), what a process tells of itself after each check
(heartbeat), and the file in which it leaves that, and more, for the next one (statefile). It knows nothing of DynamoDB.
"""

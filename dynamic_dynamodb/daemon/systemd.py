"""Reports the state of the program to systemd (`Type=notify`). Without systemd it does nothing."""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import socket
import time

READY = "READY=1"
RELOADING = "RELOADING=1"
STOPPING = "STOPPING=1"
_ALIVE = "WATCHDOG=1"
_STDERR = 2

_log = logging.getLogger("dynamic-dynamodb")
_PATIENCE = 1.0  # seconds; a service manager that does not listen must not delay the loop


def sd_notify(state: str) -> None:
    """Send one state to the socket that NOTIFY_SOCKET names. Never raises.

    RELOADING has to be followed by READY when the reload is done.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if state == RELOADING:  # systemd uses the time to match it with its signal
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    if address.startswith("@"):  # an abstract socket of Linux, which is not a file
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(_PATIENCE)
            channel.connect(address)
            channel.sendall(state.encode("utf-8"))
    except (OSError, ValueError) as error:  # ValueError: not a possible address, such as one with a zero byte
        _log.debug("service manager: %s not sent: %s", state.splitlines()[0], error)


class Watchdog:
    """Reports to systemd that the program makes progress (`WatchdogSec=`). systemd restarts a program that is silent.

    Call `alive` only from the main thread, and only where it is certain that the thread makes progress: a message from
    a separate thread, or during a wait that may never end, would vouch for a program that hangs.
    """

    def __init__(self) -> None:
        self.every = _watchdog_seconds() / 2  # seconds between messages; infinity: systemd does not watch
        self._next = 0.0  # on the monotonic clock
        if self.every < math.inf:
            faulthandler.enable(_STDERR)  # systemd ends a hanging program with SIGABRT: the journal then has the line

    def alive(self) -> None:
        """Send the message if it is due."""
        if self.every < math.inf and time.monotonic() >= self._next:
            self._next = time.monotonic() + self.every
            sd_notify(_ALIVE)


def _watchdog_seconds() -> float:
    """After how many seconds of silence systemd ends this process; infinity if it does not watch it."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):  # the variables were for a parent
        return math.inf
    try:
        seconds = int(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000
    except ValueError:
        return math.inf
    return seconds if seconds > 0 else math.inf

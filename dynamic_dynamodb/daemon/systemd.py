"""Telling systemd what the program is at (`Type=notify`). Without systemd it does nothing."""

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
_PATIENCE = 1.0  # seconds; a service manager that does not listen must not hold up the loop


def sd_notify(state: str) -> None:
    """Send one state to the socket that NOTIFY_SOCKET names. Never raises.

    After RELOADING comes READY, when the reload is done.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if state == RELOADING:  # systemd pairs it with the signal that it sent by the time
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    if address.startswith("@"):  # Linux's abstract sockets, which are no files
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(_PATIENCE)
            channel.connect(address)
            channel.sendall(state.encode("utf-8"))
    except (OSError, ValueError) as error:  # ValueError: no address at all, such as one with a zero byte
        _log.debug("service manager: %s not sent: %s", state.splitlines()[0], error)


class Watchdog:
    """Tells systemd that the program gets on (`WatchdogSec=`). What is silent for too long is ended and started again.

    `alive` is for the main thread alone, and for moments from which it is known to get on: whoever told it from a
    thread of its own, or while waiting for something that may never come, would vouch for a program that hangs.
    """

    def __init__(self) -> None:
        self.every = _watchdog_seconds() / 2  # seconds from one message to the next; infinity: nobody waits for them
        self._next = 0.0  # on the monotonic clock
        if self.every < math.inf:
            faulthandler.enable(_STDERR)  # SIGABRT is how systemd ends what hangs: the journal then says in which line

    def alive(self) -> None:
        """Send it when it is due."""
        if self.every < math.inf and time.monotonic() >= self._next:
            self._next = time.monotonic() + self.every
            sd_notify(_ALIVE)


def _watchdog_seconds() -> float:
    """After how many seconds of silence systemd ends this process; infinity where it does not watch it."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):  # the variables were meant for a parent
        return math.inf
    try:
        seconds = int(os.environ.get("WATCHDOG_USEC", "0")) / 1_000_000
    except ValueError:
        return math.inf
    return seconds if seconds > 0 else math.inf

"""Telling systemd what the program is at (`Type=notify`). Without systemd it does nothing."""

from __future__ import annotations

import logging
import os
import socket
import time

READY = "READY=1"
RELOADING = "RELOADING=1"
STOPPING = "STOPPING=1"

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
        _log.debug("service manager: %s not told: %s", state.splitlines()[0], error)

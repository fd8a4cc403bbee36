"""What systemd is to a service: a socket that hears its states."""

from __future__ import annotations

import socket

from conftest import PATIENCE

LONG = PATIENCE  # nothing takes so long, unless it hangs


class Manager:
    """The receiving end: `address` is what NOTIFY_SOCKET says."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def next(self, seconds: float = LONG) -> list[str]:
        """The lines of the next message; TimeoutError when none comes."""
        self.socket.settimeout(seconds)
        return self.socket.recv(4096).decode().splitlines()

    def other(self, seconds: float = LONG) -> list[str]:
        """The lines of the next message that does not come from the watchdog."""
        while (lines := self.next(seconds)) == ["WATCHDOG=1"]:
            pass
        return lines

    def silent(self) -> bool:
        self.socket.setblocking(False)
        try:
            self.socket.recv(4096)
        except BlockingIOError:
            return True
        return False

"""SNS: publish one message to one topic, within SNS's limits, in the topic's region."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from dynamic_dynamodb.aws.errors import call

_LONGEST_SUBJECT = 100  # SNS's limit; printable ASCII only
_LONGEST_GROUP = 128  # SNS's limit; a table's name may have 255 characters


def fit_subject(head: str, name: str) -> str:
    """At most 100 printable ASCII characters, as SNS requires. Long names are shortened in the middle."""
    name = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    room = _LONGEST_SUBJECT - len(head)
    if len(name) > room:
        half = (room - 3) // 2
        name = f"{name[:half]}...{name[-half:]}"
    return head + name


def publish(sns: Any, topic: str, subject: str, text: str, *, group: str, at: datetime) -> None:
    """Send one message to the topic with this ARN. Raises AwsError.

    A FIFO topic (its name ends with .fifo) keeps the messages of a `group` in order, and drops a message whose ID it
    has seen in the last five minutes. The ID is a digest of the content and of `at`, the time of the message: the same
    for each attempt to send it, but different for the same words in a later check.
    """
    order = {}
    if topic.endswith(".fifo"):
        content = "\n".join((topic, subject, text, at.isoformat()))
        order = {"MessageGroupId": _fit_group(group), "MessageDeduplicationId": _digest(content)}
    call("Publish", sns.publish, TopicArn=topic, Subject=subject, Message=text, **order)


def _fit_group(name: str) -> str:
    return name if len(name) <= _LONGEST_GROUP else _digest(name)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


class Topics:
    """One client for SNS in all regions: the region of a topic is in its ARN.

    `make` creates the client for a region when the first message goes there; `clients` exist already.
    """

    def __init__(self, make: Callable[[str], Any], clients: Mapping[str, Any] | None = None) -> None:
        self._make = make
        self._clients = dict(clients or {})
        self._lock = threading.Lock()

    def publish(self, **message: Any) -> Any:
        """As boto3's client has it. Without a region in the ARN nothing is sent."""
        return self.client(message["TopicArn"].split(":")[3]).publish(**message)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def client(self, region: str) -> Any:
        with self._lock:
            if region not in self._clients:
                self._clients[region] = self._made(region)
            return self._clients[region]

    def _made(self, region: str) -> Any:
        """Create it in a thread that ends: each thread that creates a client keeps the memory (see process.py)."""
        with ThreadPoolExecutor(1) as apart:
            try:
                made = apart.submit(self._make, region)
            except RuntimeError:  # the system cannot start a thread
                return self._make(region)
            return made.result()

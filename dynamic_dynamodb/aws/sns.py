"""SNS: one message to one topic, within its limits."""

from __future__ import annotations

from typing import Any

from dynamic_dynamodb.aws.errors import call

_LONGEST_SUBJECT = 100  # SNS's limit; printable ASCII only


def fit_subject(head: str, name: str) -> str:
    """At most 100 printable ASCII characters, as SNS demands; long names are shortened in the middle."""
    name = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    room = _LONGEST_SUBJECT - len(head)
    if len(name) > room:
        half = (room - 3) // 2
        name = f"{name[:half]}...{name[-half:]}"
    return head + name


def publish(sns: Any, topic: str, subject: str, text: str) -> None:
    """Send one message to the topic with this ARN. Raises AwsError."""
    call("Publish", sns.publish, TopicArn=topic, Subject=subject, Message=text)

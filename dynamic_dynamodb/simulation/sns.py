"""SNS: accepts messages, and refuses the subjects that AWS refuses."""
# ruff: noqa: N803 - the arguments are boto3's

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

from dynamic_dynamodb.simulation.account import Account, Published
from dynamic_dynamodb.simulation.refusal import ABSENT, Answer, RefusedError, given, success

_SUBJECT = re.compile(r"[!-~][ -~]{0,99}")  # printable ASCII that does not begin with a space
_ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")
_ORDER = ("MessageGroupId", "MessageDeduplicationId")
_ID = re.compile(r"[!-~]{1,128}")
_MOST_BYTES = 256 * 1024


class SNS:
    """Replaces boto3.client("sns") for the loop."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def publish(
        self,
        *,
        TopicArn: str,
        Message: str,
        Subject: str = ABSENT,
        MessageGroupId: str = ABSENT,
        MessageDeduplicationId: str = ABSENT,
    ) -> Answer:
        arguments = given(
            dict.fromkeys(("TopicArn", "Message", "Subject", *_ORDER), str),
            TopicArn=TopicArn,
            Message=Message,
            Subject=Subject,
            MessageGroupId=MessageGroupId,
            MessageDeduplicationId=MessageDeduplicationId,
        )
        with self._account.call("Publish", arguments):
            subject = arguments.get("Subject")
            if not _ARN.fullmatch(TopicArn):
                raise _invalid("TopicArn")
            if not Message or len(Message.encode()) > _MOST_BYTES:
                raise _invalid("Message too long" if Message else "Empty message")
            if subject is not None and not _SUBJECT.fullmatch(subject):
                raise _invalid("Subject")
            _check_order(TopicArn, {name: arguments[name] for name in _ORDER if name in arguments})
            if self._account.topics is not None and TopicArn not in self._account.topics:
                raise RefusedError("NotFound", "Topic does not exist", 404)
            self._account.messages.append(Published(TopicArn, subject, Message))
            return success(MessageId=str(UUID(int=self._account.calls["Publish"])))


def _check_order(topic: str, given_ids: Mapping[str, str]) -> None:
    """A FIFO topic needs the group and, without content-based deduplication, the deduplication id of a message."""
    if topic.endswith(".fifo"):
        for name in _ORDER:
            if not _ID.fullmatch(given_ids.get(name, "")):
                raise _invalid(name)
    elif "MessageDeduplicationId" in given_ids:
        raise _invalid("MessageDeduplicationId")


def _invalid(what: str) -> RefusedError:
    return RefusedError("InvalidParameter", f"Invalid parameter: {what}")

"""The bucket that a flow log goes to: that it is there, and that its policy lets the delivery in.

https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-permissions.html
"""

import json
from typing import Any

import msgspec

from ringfence.core.arn import make_arn
from ringfence.core.call import Call
from ringfence.core.errors import ServiceError
from ringfence.resources.s3 import Bucket

DELIVERY = "delivery.logs.amazonaws.com"
_LARGEST = 20 * 1024


def find_destination(call: Call, name: str) -> Bucket:
    """The bucket, whosever it is."""
    bucket = call.records.get(Bucket, name)
    if bucket is None:
        raise ServiceError("400", f"LogDestination: {name} does not exist")
    return bucket


def let_in(call: Call, bucket: Bucket, prefix: str) -> None:
    """Add the delivery's statements to the policy of a bucket of the caller's own, if the caller may change it.

    As AWS does. Who may not leaves the bucket as it is: whether its policy lets the delivery in shows when it delivers.
    """
    arn = make_arn("s3", "", "", bucket.name)
    actions = ("s3:GetBucketPolicy", "s3:PutBucketPolicy")
    if bucket.account != call.account or not all(call.may(call.principal, action, arn) for action in actions):
        return
    policy: dict[str, Any] = {"Version": "2012-10-17", "Id": "AWSLogDeliveryWrite20150319", "Statement": []}
    if bucket.policy:
        policy = json.loads(bucket.policy)
    present: Any = policy["Statement"]
    statements: list[dict[str, Any]] = present if isinstance(present, list) else [present]
    missing = [one for one in _statements(call, arn, prefix) if not any(_covers(known, one) for known in statements)]
    if not missing:
        return
    text = json.dumps({**policy, "Statement": [*statements, *missing]})
    if len(text) <= _LARGEST:
        call.records.put(msgspec.structs.replace(bucket, policy=text))


def _covers(known: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(known.get(name) == value for name, value in wanted.items() if name != "Sid")


def _statements(call: Call, arn: str, prefix: str) -> list[dict[str, Any]]:
    folder = f"{prefix}/" if prefix else ""
    source = {
        "StringEquals": {"aws:SourceAccount": call.account},
        "ArnLike": {"aws:SourceArn": call.arn("logs", "*")},
    }
    owned = {"StringEquals": {**source["StringEquals"], "s3:x-amz-acl": "bucket-owner-full-control"}}
    common = {"Effect": "Allow", "Principal": {"Service": DELIVERY}}
    return [
        {
            "Sid": "AWSLogDeliveryWrite1",
            **common,
            "Action": "s3:PutObject",
            "Resource": f"{arn}/{folder}AWSLogs/{call.account}/*",
            "Condition": {**source, **owned},
        },
        {
            "Sid": "AWSLogDeliveryAclCheck1",
            **common,
            "Action": "s3:GetBucketAcl",
            "Resource": arn,
            "Condition": source,
        },
    ]

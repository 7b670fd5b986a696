"""Request members and page tokens that the operations of CloudWatch Logs share."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError, not_implemented


def invalid_parameter(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)


def milliseconds(moment: datetime) -> int:
    """A moment as the API counts time."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def group_name(call: Call, request: Request) -> str:
    """The group that `logGroupName` or `logGroupIdentifier` (a name or an ARN) names; exactly one must be given."""
    name: str | None = request.get("logGroupName")
    identifier: str | None = request.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid_parameter("Either logGroupName or logGroupIdentifier must be specified, but not both.")
    if name is not None or identifier is None:
        return name or ""
    arn = parse_arn(identifier)
    if arn is None:
        return identifier
    if (arn.service, arn.region, arn.account) != ("logs", call.region, call.account):
        raise not_implemented("log groups of other accounts and regions")
    return arn.resource.removeprefix("log-group:").removesuffix(":*")


def group_arn(call: Call, name: str) -> str:
    """A group's ARN as tags and `logGroupArn` have it; elsewhere AWS adds `:*`."""
    return call.arn("logs", f"log-group:{name}")


def on_group(call: Call, request: Request) -> list[str]:
    """The resource of an action on a group: AWS evaluates it as a stream without a name.

    Policies say `log-group:NAME:*`. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
    """
    return [group_arn(call, group_name(call, request)) + ":log-stream:"]


def on_stream(call: Call, request: Request) -> list[str]:
    """The resource of an action on one stream."""
    return [group_arn(call, group_name(call, request)) + f":log-stream:{request['logStreamName']}"]


def make_token(*fields: Any) -> str:
    """An opaque page token that `read_token` gives back."""
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


def read_token(token: str, *kinds: type) -> list[Any]:
    """The fields of a token of ours, of these types."""
    try:
        fields = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, RecursionError):
        fields = None
    if not isinstance(fields, list) or [type(field) for field in fields] != list(kinds):
        raise invalid_parameter("The specified nextToken is invalid.")
    return fields

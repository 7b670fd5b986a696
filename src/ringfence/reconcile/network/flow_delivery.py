"""Flow log records to where they go: CloudWatch Logs as the log's role, S3 as the log delivery service.

Each call is authorized like anybody's: the role's policies, the bucket's policy. Called by `flow_log`.
https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-cwl.html
https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html
"""

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime

from ringfence.core.arn import make_arn
from ringfence.core.call import Principal, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.results import Blob
from ringfence.network.flow import parse_format, write_header
from ringfence.reconcile.network.flow_record import Line
from ringfence.reconcile.ports import Caller
from ringfence.resources.flow_log import FlowLog
from ringfence.store.blobs import BlobStore

_SERVICE = "vpc-flow-logs.amazonaws.com"
_DELIVERY = "delivery.logs.amazonaws.com"
_EVENTS = 1000  # of one PutLogEvents, which is one transaction
_LINES = 200_000  # of one object: less than 75 MB


class Delivery:
    """Raises ServiceError as the service that refused says it."""

    def __init__(self, caller: Caller, blobs: BlobStore) -> None:
        self._caller = caller
        self._blobs = blobs

    async def deliver(self, log: FlowLog, start: float, lines: dict[str, list[Line]]) -> None:
        """The lines of one window that began at `start`, by interface."""
        caller = self._caller.acting_for(f"VPC flow log `{log.id}`")
        if log.bucket is None:
            await _to_log_group(caller, log, lines)
        else:
            every = sorted(line for found in lines.values() for line in found)
            for first in range(0, len(every), _LINES):
                await self._to_bucket(caller, log, start, every[first : first + _LINES])

    async def _to_bucket(self, caller: Caller, log: FlowLog, start: float, lines: Sequence[Line]) -> None:
        text = "\n".join([write_header(parse_format(log.format)), *(line.text for line in lines), ""])
        packed = await asyncio.to_thread(gzip.compress, text.encode(), mtime=0)
        blob = await self._blobs.receive(_once(packed))
        request = {"Bucket": log.bucket, "Key": object_key(log, start, blob), "Body": blob}
        source = make_arn("logs", log.region, log.account, f"vpc-flow-log/{log.id}")
        principal = Principal(
            kind="service", account=log.account, arn=_DELIVERY, id=_DELIVERY, service=_DELIVERY, source_arn=source
        )
        try:
            caller.call(principal, "s3", "PutObject", {**request, "ACL": "bucket-owner-full-control"})
        except ServiceError:
            self._blobs.delete(blob.id)
            raise


def object_key(log: FlowLog, start: float, blob: Blob) -> str:
    """Folders by day, or with PerHourPartition by hour; Hive's have names in them."""
    when = datetime.fromtimestamp(start, UTC)
    if log.hive_partitions:
        parts = [f"aws-account-id={log.account}", "aws-service=vpcflowlogs", f"aws-region={log.region}"]
        parts += [f"year={when:%Y}", f"month={when:%m}", f"day={when:%d}"]
        hour = f"hour={when:%H}"
    else:
        parts = [log.account, "vpcflowlogs", log.region, f"{when:%Y}", f"{when:%m}", f"{when:%d}"]
        hour = f"{when:%H}"
    parts += [hour] if log.hour_partitions else []
    unique = hashlib.sha256(f"{blob.id} {blob.sha256}".encode()).hexdigest()[:8]
    name = f"{log.account}_vpcflowlogs_{log.region}_{log.id}_{when:%Y%m%dT%H%MZ}_{unique}.log.gz"
    return "/".join([*([log.prefix] if log.prefix else []), "AWSLogs", *parts, name])


async def _to_log_group(caller: Caller, log: FlowLog, lines: dict[str, list[Line]]) -> None:
    """One stream for each interface, made when there is something to put in it."""
    source = log.arn("vpc-flow-log")
    who = caller.assume(log.role_arn or "", "vpc-flow-logs", (_SERVICE,), source).principal
    for interface_id, found in lines.items():
        target = {"logGroupName": log.log_group, "logStreamName": f"{interface_id}-{log.traffic.lower()}"}
        for events in _batches(found):
            _put(caller, who, target, {"logEvents": events})
            await asyncio.sleep(0)


def _put(caller: Caller, who: Principal, target: Request, events: Request) -> Result:
    try:
        return caller.call(who, "logs", "PutLogEvents", {**target, **events})
    except ServiceError as error:
        if error.code != "ResourceNotFoundException":
            raise
    _create(caller, who, "CreateLogGroup", {"logGroupName": target["logGroupName"]})
    _create(caller, who, "CreateLogStream", target)
    return caller.call(who, "logs", "PutLogEvents", {**target, **events})


def _create(caller: Caller, who: Principal, operation: str, request: Request) -> None:
    """No error if it is there already."""
    try:
        caller.call(who, "logs", operation, request)
    except ServiceError as error:
        if error.code != "ResourceAlreadyExistsException":
            raise


def _batches(lines: Sequence[Line]) -> Iterator[list[Request]]:
    for first in range(0, len(lines), _EVENTS):
        yield [{"timestamp": line.start * 1000, "message": line.text} for line in lines[first : first + _EVENTS]]


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data

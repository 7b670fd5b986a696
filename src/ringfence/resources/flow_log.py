"""VPC flow logs: what is to be logged and where to, and how its delivery goes."""

from datetime import datetime

from ringfence.core.record import Record
from ringfence.resources.ec2 import Ec2Record


class FlowLog(Ec2Record, frozen=True, kw_only=True):
    """`resource_type`: VPC, Subnet or NetworkInterface. `traffic`: ACCEPT, REJECT or ALL. `interval`: in seconds.

    `destination_type`: cloud-watch-logs (`log_group`, `role_arn`) or s3 (`bucket`, `prefix`); `destination` is the ARN
    as it was given, if it was. `format`: the fields as `${name} ${name}`.
    """

    resource_type: str
    resource_id: str
    traffic: str
    interval: int
    created: datetime
    destination_type: str
    format: str
    destination: str | None = None
    log_group: str | None = None
    role_arn: str | None = None
    bucket: str | None = None
    prefix: str = ""
    hive_partitions: bool | None = None
    hour_partitions: bool | None = None
    made_for: tuple[str, str] | None = None


class FlowLogStatus(Record, frozen=True, kw_only=True):
    """Written by the reconciler after each delivery: SUCCESS, or FAILED and why. Absent: nothing was due yet."""

    id: str
    delivery: str
    error: str | None = None

    @property
    def key(self) -> str:
        return self.id

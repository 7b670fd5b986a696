"""Application Auto Scaling's nouns: scalable targets and scaling policies, written by the handlers; what scaling did,
written by `reconcile.hosting.scaling`. Of the targets there are the variants of SageMaker's endpoints only.
"""

from datetime import datetime
from typing import Any

from ringfence.core.record import Record

NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
# of serverless variants
PROVISIONED = "sagemaker:variant:DesiredProvisionedConcurrency"
# what activities call it
CAPACITY = {DIMENSION: "desired instance count", PROVISIONED: "desired provisioned concurrency"}
# What a policy may track without naming a metric, of which dimension: the metric of AWS/SageMaker and its statistic.
# https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-autoscale.html
PREDEFINED_METRICS = {
    "SageMakerVariantInvocationsPerInstance": (DIMENSION, "InvocationsPerInstance", "Sum"),
    "SageMakerVariantProvisionedConcurrencyUtilization": (
        PROVISIONED,
        "ServerlessProvisionedConcurrencyUtilization",
        "Average",
    ),
}
# The alarms that a target tracking policy has: which of them, and what their names begin with.
ALARM_PREFIX = "TargetTracking-"


class ScalableTarget(Record, frozen=True, kw_only=True):
    """A variant whose instance count, or provisioned concurrency, is to stay between two numbers.

    `id` is the last part of its ARN.

    `resource_id`: `endpoint/NAME/variant/NAME`. `suspended`: SuspendedState's members that are true.
    """

    account: str
    region: str
    resource_id: str
    id: str
    created: datetime
    minimum: int
    maximum: int
    suspended: tuple[str, ...] = ()
    dimension: str = DIMENSION

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.resource_id}"

    @property
    def arn(self) -> str:
        return f"arn:aws:application-autoscaling:{self.region}:{self.account}:scalable-target/{self.id}"

    @property
    def endpoint(self) -> str:
        return self.resource_id.split("/")[1]

    @property
    def variant(self) -> str:
        return self.resource_id.split("/")[3]


class ScalingPolicy(Record, frozen=True, kw_only=True):
    """`target`: the scalable target's key. `spec`: the configuration of the policy's type, as boto3 spells it.

    `alarms`: (`AlarmHigh` or `AlarmLow`, name) of those that a target tracking policy has.
    """

    target: str
    name: str
    id: str
    type: str  # TargetTrackingScaling, StepScaling
    created: datetime
    spec: dict[str, Any]
    alarms: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        return f"{self.target}\0{self.name}"

    @property
    def arn(self) -> str:
        account, region, resource = self.target.split("/", 2)
        place = f"{self.id}:resource/{NAMESPACE}/{resource}"
        return f"arn:aws:autoscaling:{region}:{account}:scalingPolicy:{place}:policyName/{self.name}"


class ScalingStatus(Record, frozen=True, kw_only=True):
    """When a policy last changed its target's count, upwards and downwards. `policy`: its key."""

    policy: str
    out: datetime | None = None
    into: datetime | None = None

    @property
    def key(self) -> str:
        return self.policy


class ScalingActivityStatus(Record, frozen=True, kw_only=True):
    """One change of a target's count. `target`: its key; `count`: what it was set to."""

    target: str
    id: str
    count: int
    cause: str
    started: datetime
    ended: datetime | None = None
    status: str = "InProgress"  # InProgress, Successful, Failed
    message: str

    @property
    def key(self) -> str:
        return f"{self.target}\0{self.started.timestamp():017.6f}\0{self.id}"

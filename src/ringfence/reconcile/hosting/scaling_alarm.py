"""The alarms of target tracking policies: made for each policy, removed with it. Called by `scaling`.

https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
"""

from datetime import datetime

import msgspec

from ringfence.core.ids import Entropy
from ringfence.core.record import Writer
from ringfence.resources.application_autoscaling import ALARM_PREFIX, PREDEFINED_METRICS, ScalingPolicy
from ringfence.resources.cloudwatch import Dimensions, MetricAlarm, MetricQuery, MetricStat
from ringfence.services.cloudwatch.alarm import remove_alarm, write_alarm

# (recalled) three minutes above the target, fifteen below nine tenths of it
_HIGH, _LOW, _LOW_SHARE = 3, 15, 0.9
_DESCRIPTION = "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "


def keep_alarms(records: Writer, now: datetime, entropy: Entropy, period: int) -> None:
    """Bring the alarms to what the policies say. `period`: seconds of a datapoint."""
    wanted = {
        alarm.key: alarm
        for policy in records.all(ScalingPolicy)
        for kind, name in policy.alarms
        for alarm in [make_alarm(policy, kind, name, now, period)]
    }
    for key, alarm in wanted.items():
        known = records.get(MetricAlarm, key)
        if known is None or msgspec.structs.replace(known, updated=now) != alarm:
            write_alarm(records, alarm, now, entropy)
    for alarm in records.all(MetricAlarm):
        ours = alarm.name.startswith(ALARM_PREFIX) and (alarm.description or "").startswith(_DESCRIPTION)
        if ours and alarm.key not in wanted:
            remove_alarm(records, alarm)


def make_alarm(policy: ScalingPolicy, kind: str, name: str, now: datetime, period: int) -> MetricAlarm:
    account, region, resource = policy.target.split("/", 2)
    high = kind == "AlarmHigh"
    target = policy.spec["TargetValue"]
    return MetricAlarm(
        account=account,
        region=region,
        name=name,
        updated=now,
        description=f"{_DESCRIPTION}{policy.arn}.",
        alarm_actions=(policy.arn,),
        queries=(MetricQuery(id="m1", stat=_stat(policy, resource, period)),),
        evaluation_periods=_HIGH if high else _LOW,
        threshold=target if high else round(target * _LOW_SHARE, 10),
        comparison="GreaterThanThreshold" if high else "LessThanThreshold",
    )


def _stat(policy: ScalingPolicy, resource: str, period: int) -> MetricStat:
    customized = policy.spec.get("CustomizedMetricSpecification")
    if customized is not None:
        given: Dimensions = tuple(sorted((one["Name"], one["Value"]) for one in customized.get("Dimensions", ())))
        return MetricStat(
            namespace=customized["Namespace"], name=customized["MetricName"], dimensions=given, period=period,
            stat=customized["Statistic"], unit=customized.get("Unit"),
        )  # fmt: skip
    _, endpoint, _, variant = resource.split("/")
    where: Dimensions = (("EndpointName", endpoint), ("VariantName", variant))
    _, name, stat = PREDEFINED_METRICS[policy.spec["PredefinedMetricSpecification"]["PredefinedMetricType"]]
    return MetricStat(namespace="AWS/SageMaker", name=name, dimensions=where, period=period, stat=stat)

"""Metric alarms: put, describe, delete, switch their actions, set their state."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.ids import Entropy
from ringfence.core.listing import page
from ringfence.core.operation import operation
from ringfence.core.record import Writer
from ringfence.core.tags import drop_tags, from_list, set_tags
from ringfence.resources.cloudwatch import AlarmHistoryItem, AlarmState, MetricAlarm, MetricQuery, MetricStat
from ringfence.services.cloudwatch.alarm_evaluation import COMPARISONS, Verdict
from ringfence.services.cloudwatch.alarm_state import change_state, state_of, write_history
from ringfence.services.cloudwatch.dimension import read_dimensions, show_dimensions
from ringfence.services.cloudwatch.metric_query import read_queries, show_query
from ringfence.services.cloudwatch.refusal import invalid
from ringfence.services.cloudwatch.series import check_period
from ringfence.services.cloudwatch.summary import is_statistic

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
_DAY = 86_400
_MISSING = ("missing", "ignore", "breaching", "notBreaching")
_ACTIONS = ("OKActions", "AlarmActions", "InsufficientDataActions")
_METRIC_MEMBERS = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit")
_ON_NAMES = ("alarm:{AlarmNames}",)


def alarm_arn(alarm: MetricAlarm) -> str:
    return f"arn:aws:cloudwatch:{alarm.region}:{alarm.account}:alarm:{alarm.name}"


def find_alarm(call: Call, name: str) -> MetricAlarm:
    """The alarm of this name; ResourceNotFound."""
    alarm = call.records.get(MetricAlarm, call.scoped(name))
    if alarm is None:
        raise ServiceError("ResourceNotFound", f"The alarm {name} does not exist.", 404)
    return alarm


def _tagged(call: Call, request: Request) -> list[str]:
    return [call.arn("cloudwatch", f"alarm:{request['AlarmName']}")] if request.get("Tags") else []


@operation(
    "PutMetricAlarm",
    on=("alarm:{AlarmName}",),
    keys={"cloudwatch:AlarmActions": "AlarmActions"},
    also=(("cloudwatch:TagResource", _tagged),),
    takes="AlarmName AlarmDescription ActionsEnabled OKActions AlarmActions InsufficientDataActions MetricName "
    "Namespace Statistic ExtendedStatistic Dimensions Period Unit EvaluationPeriods DatapointsToAlarm Threshold "
    "ComparisonOperator TreatMissingData Metrics Tags",
)
def put_metric_alarm(call: Call, request: Request) -> Result:
    alarm = _read(call, request)
    if write_alarm(call.records, alarm, call.now, call.entropy):
        set_tags(call.records, alarm_arn(alarm), from_list(request.get("Tags", ())))
    return {}


def write_alarm(records: Writer, alarm: MetricAlarm, now: datetime, entropy: Entropy) -> bool:
    """Make or change an alarm; whether it is new. Also for the alarms of scaling policies."""
    new = records.get(MetricAlarm, alarm.key) is None
    records.put(alarm)
    if new:
        records.put(AlarmState(alarm=alarm.key, updated=now, transitioned=now))
    verb = "created" if new else "updated"
    data = {"version": "1.0", "type": "Create" if new else "Update", verb + "Alarm": _configuration(alarm)}
    write_history(records, alarm, "ConfigurationUpdate", f'Alarm "{alarm.name}" {verb}', data, now, entropy)
    return new


def _read(call: Call, request: Request) -> MetricAlarm:
    for member in _ACTIONS:
        _check_actions(request.get(member, ()))
    if "Threshold" not in request:
        raise invalid("The parameter Threshold is required: anomaly detection is not there.")
    for member in ("ComparisonOperator", "EvaluationPeriods"):
        if member not in request:
            raise invalid(f"The parameter {member} is required.")
    comparison = request["ComparisonOperator"]
    if comparison not in COMPARISONS:
        raise not_implemented(f"the comparison operator {comparison}")
    periods, needed = request["EvaluationPeriods"], request.get("DatapointsToAlarm")
    if needed is not None and needed > periods:
        raise invalid("DatapointsToAlarm must not be greater than EvaluationPeriods.")
    missing = request.get("TreatMissingData")
    if missing not in (None, *_MISSING):
        raise invalid(f"Unsupported value for TreatMissingData: {missing}. Use one of {', '.join(_MISSING)}.")
    queries = _queries(call, request)
    longest = max(query.stat.period if query.stat else query.period or 0 for query in queries)
    if longest * periods > _DAY * (1 if longest < 3600 else 7):
        raise invalid("Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).")
    return MetricAlarm(
        account=call.account, region=call.region, name=request["AlarmName"], updated=call.now,
        description=request.get("AlarmDescription"), actions_enabled=request.get("ActionsEnabled", True),
        ok_actions=tuple(request.get("OKActions", ())), alarm_actions=tuple(request.get("AlarmActions", ())),
        insufficient_data_actions=tuple(request.get("InsufficientDataActions", ())), queries=queries,
        math="Metrics" in request, evaluation_periods=periods, datapoints_to_alarm=needed,
        threshold=request["Threshold"], comparison=comparison, treat_missing_data=missing,
    )  # fmt: skip


def _check_actions(actions: Sequence[str]) -> None:
    """Scaling policies look at their alarms themselves; nothing else that an alarm could start is here."""
    for arn in actions:
        if arn.split(":")[2:3] != ["autoscaling"]:
            raise not_implemented(f"the alarm action {arn}")


def _queries(call: Call, request: Request) -> tuple[MetricQuery, ...]:
    if "Metrics" not in request:
        return (MetricQuery(id="m1", stat=_stat(request)),)
    for member in _METRIC_MEMBERS:
        if member in request:
            raise invalid(f"When specifying Metrics, {member} must not be given.")
    queries = read_queries(call, request["Metrics"], "Metrics")
    if sum(query.returned for query in queries) != 1:
        raise invalid("Exactly one element of the metrics list should return data.")
    return queries


def _stat(request: Request) -> MetricStat:
    for member in ("MetricName", "Namespace", "Period"):
        if member not in request:
            raise invalid(f"The parameter {member} is required.")
    statistics = [request[name] for name in ("Statistic", "ExtendedStatistic") if name in request]
    if len(statistics) != 1:
        raise invalid("Exactly one of Statistic and ExtendedStatistic must be specified.")
    if not is_statistic(statistics[0]):
        raise not_implemented(f"the statistic {statistics[0]}")
    return MetricStat(
        namespace=request["Namespace"], name=request["MetricName"],
        dimensions=read_dimensions(request.get("Dimensions", ())), period=check_period(request["Period"]),
        stat=statistics[0], unit=request.get("Unit"),
    )  # fmt: skip


@operation("DeleteAlarms", takes="AlarmNames", on=_ON_NAMES)
def delete_alarms(call: Call, request: Request) -> Result:
    for name in request["AlarmNames"]:
        remove_alarm(call.records, find_alarm(call, name))
    return {}


def remove_alarm(records: Writer, alarm: MetricAlarm) -> None:
    """With all that is known of it."""
    for item in list(records.scan(AlarmHistoryItem, f"{alarm.key}\0")):
        records.delete(item)
    drop_tags(records, alarm_arn(alarm))
    records.delete(state_of(records, alarm))
    records.delete(alarm)


@operation("EnableAlarmActions", takes="AlarmNames", on=_ON_NAMES)
def enable_alarm_actions(call: Call, request: Request) -> Result:
    return _switch(call, request, enabled=True)


@operation("DisableAlarmActions", takes="AlarmNames", on=_ON_NAMES)
def disable_alarm_actions(call: Call, request: Request) -> Result:
    return _switch(call, request, enabled=False)


def _switch(call: Call, request: Request, *, enabled: bool) -> Result:
    """Names that no alarm has are passed over, as AWS does."""
    for name in request["AlarmNames"]:
        alarm = call.records.get(MetricAlarm, call.scoped(name))
        if alarm is not None:
            call.records.put(msgspec.structs.replace(alarm, actions_enabled=enabled, updated=call.now))
    return {}


@operation("SetAlarmState", takes="AlarmName StateValue StateReason StateReasonData", on=("alarm:{AlarmName}",))
def set_alarm_state(call: Call, request: Request) -> Result:
    """Until the next evaluation: that sees the data again."""
    alarm = find_alarm(call, request["AlarmName"])
    data = request.get("StateReasonData", "")
    if data:
        try:
            msgspec.json.decode(data)
        except msgspec.DecodeError:
            raise ServiceError("InvalidFormat", "StateReasonData is not valid JSON.") from None
    verdict = Verdict(request["StateValue"], request["StateReason"], data)
    change_state(call.records, alarm, verdict, call.now, call.entropy)
    return {}


@operation(
    "DescribeAlarms",
    takes="AlarmNames AlarmNamePrefix AlarmTypes StateValue ActionPrefix MaxRecords NextToken",
    on=("alarm:*",),
)
def describe_alarms(call: Call, request: Request) -> Result:
    names, prefix = request.get("AlarmNames"), request.get("AlarmNamePrefix", "")
    if names and prefix:
        raise invalid("AlarmNames and AlarmNamePrefix are mutually exclusive.")
    wanted = "MetricAlarm" in request.get("AlarmTypes", ["MetricAlarm"])
    action, value = request.get("ActionPrefix", ""), request.get("StateValue")
    found = [
        (alarm, state)
        for alarm in _alarms(call)
        if wanted
        and (not names or alarm.name in names)
        and alarm.name.startswith(prefix)
        and value in (None, (state := state_of(call.records, alarm)).value)
        and (not action or any(arn.startswith(action) for arn in _actions(alarm)))
    ]
    shown, token = page(
        found,
        key=lambda item: item[0].name,
        limit=request.get("MaxRecords", 50),
        token=request.get("NextToken"),
        error=ServiceError("InvalidNextToken", "The NextToken is invalid."),
    )
    result: dict[str, Any] = {"MetricAlarms": [_show(*item) for item in shown], "CompositeAlarms": []}
    return {**result, "NextToken": token} if token else result


@operation(
    "DescribeAlarmsForMetric",
    takes="MetricName Namespace Statistic ExtendedStatistic Dimensions Period Unit",
)
def describe_alarms_for_metric(call: Call, request: Request) -> Result:
    metric = (request["Namespace"], request["MetricName"], read_dimensions(request.get("Dimensions", ())))
    statistic = request.get("Statistic") or request.get("ExtendedStatistic")
    period, unit = request.get("Period"), request.get("Unit")

    def matches(stat: MetricStat) -> bool:
        return (
            (stat.namespace, stat.name, stat.dimensions) == metric
            and statistic in (None, stat.stat)
            and period in (None, stat.period)
            and unit in (None, stat.unit)
        )

    alarms = [alarm for alarm in _alarms(call) if any(query.stat and matches(query.stat) for query in alarm.queries)]
    return {"MetricAlarms": [_show(alarm, state_of(call.records, alarm)) for alarm in alarms]}


def _alarms(call: Call) -> list[MetricAlarm]:
    mine = [one for one in call.records.all(MetricAlarm) if (one.account, one.region) == (call.account, call.region)]
    return sorted(mine, key=lambda alarm: alarm.name)


def _actions(alarm: MetricAlarm) -> tuple[str, ...]:
    return (*alarm.ok_actions, *alarm.alarm_actions, *alarm.insufficient_data_actions)


def _show(alarm: MetricAlarm, state: AlarmState) -> dict[str, Any]:
    shown: dict[str, Any] = {
        **_configuration(alarm),
        "AlarmArn": alarm_arn(alarm),
        "AlarmConfigurationUpdatedTimestamp": alarm.updated,
        "StateValue": state.value,
        "StateReason": state.reason,
        "StateUpdatedTimestamp": state.updated,
        "StateTransitionedTimestamp": state.transitioned,
    }
    return shown if state.reason_data is None else {**shown, "StateReasonData": state.reason_data}


def _configuration(alarm: MetricAlarm) -> dict[str, Any]:
    """The alarm's own members, without those that it was not given."""
    given: Mapping[str, Any] = {
        "AlarmDescription": alarm.description,
        "DatapointsToAlarm": alarm.datapoints_to_alarm,
        "TreatMissingData": alarm.treat_missing_data,
    }
    return {
        "AlarmName": alarm.name,
        "ActionsEnabled": alarm.actions_enabled,
        "OKActions": list(alarm.ok_actions),
        "AlarmActions": list(alarm.alarm_actions),
        "InsufficientDataActions": list(alarm.insufficient_data_actions),
        "EvaluationPeriods": alarm.evaluation_periods,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison,
        **{name: value for name, value in given.items() if value is not None},
        **_show_metric(alarm),
    }


def _show_metric(alarm: MetricAlarm) -> dict[str, Any]:
    stat = alarm.queries[0].stat
    if alarm.math or stat is None:
        return {"Metrics": [show_query(query) for query in alarm.queries]}
    kind = "ExtendedStatistic" if stat.stat.startswith("p") else "Statistic"
    shown: dict[str, Any] = {
        "Namespace": stat.namespace,
        "MetricName": stat.name,
        "Dimensions": show_dimensions(stat.dimensions),
        "Period": stat.period,
        kind: stat.stat,
    }
    return shown if stat.unit is None else {**shown, "Unit": stat.unit}

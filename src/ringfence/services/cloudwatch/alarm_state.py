"""How an alarm's state changes: the state and the line in its history. For SetAlarmState and for the reconciler."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ringfence.core.ids import Entropy
from ringfence.core.record import Reader, Writer
from ringfence.resources.cloudwatch import AlarmHistoryItem, AlarmState, MetricAlarm
from ringfence.services.cloudwatch.alarm_evaluation import Verdict

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
_HISTORY = timedelta(days=30)


def state_of(records: Reader, alarm: MetricAlarm) -> AlarmState:
    """The alarm's state; every alarm has one from the transaction that made it."""
    found = records.get(AlarmState, alarm.key)
    return found or AlarmState(alarm=alarm.key, updated=alarm.updated, transitioned=alarm.updated)


def change_state(records: Writer, alarm: MetricAlarm, verdict: Verdict, now: datetime, entropy: Entropy) -> bool:
    """Put the alarm into the verdict's state; False, and nothing is written, if it is in that state."""
    before = state_of(records, alarm)
    if verdict.value is None or verdict.value == before.value:
        return False
    after = AlarmState(
        alarm=alarm.key, value=verdict.value, reason=verdict.reason, reason_data=verdict.data or None, updated=now,
        transitioned=now,
    )  # fmt: skip
    records.put(after)
    data = {"version": "1.0", "oldState": _shown(before), "newState": _shown(after)}
    summary = f"Alarm updated from {before.value} to {after.value}"
    write_history(records, alarm, "StateUpdate", summary, data, now, entropy)
    return True


def write_history(
    records: Writer,
    alarm: MetricAlarm,
    type: str,
    summary: str,
    data: Mapping[str, Any],
    now: datetime,
    entropy: Entropy,
) -> None:
    """Add a line to the alarm's history and drop those that are too old."""
    text = msgspec.json.encode(data).decode()
    item = AlarmHistoryItem(alarm=alarm.key, at=now, id=entropy(4).hex(), type=type, summary=summary, data=text)
    for old in list(records.scan(AlarmHistoryItem, f"{alarm.key}\0")):
        if old.at >= now - _HISTORY:
            break
        records.delete(old)
    records.put(item)


def _shown(state: AlarmState) -> dict[str, Any]:
    shown: dict[str, Any] = {"stateValue": state.value, "stateReason": state.reason}
    if state.reason_data is not None:
        shown["stateReasonData"] = msgspec.json.decode(state.reason_data)
    return shown

"""Rows for the offline store: acknowledged once they are here, written to S3 by `reconcile` later."""

from ringfence.core.call import Call
from ringfence.resources.feature_store import FeatureGroup, FeatureGroupStatus, OfflineRow, Value
from ringfence.services.sagemaker_featurestore_runtime.event_time import nanoseconds, partition_of


def append(call: Call, group: FeatureGroup, instant: int, values: dict[str, Value], *, deleted: bool = False) -> None:
    """Add a row to the group's open batch."""
    status = call.records.get(FeatureGroupStatus, group.key)
    call.records.put(
        OfflineRow(
            group_id=group.id,
            batch=status.batch if status is not None else 1,
            partition=partition_of(instant),
            invoked=nanoseconds(call.now),
            unique=call.entropy(8).hex(),
            instant=instant,
            values=values,
            deleted=deleted,
        )
    )

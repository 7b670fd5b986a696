"""The account's limits on instance types. Called by the operations that ask for instances."""

from ringfence.core.errors import ServiceError
from ringfence.runtime.instance_type import limits


def check_instance_limit(instance_type: str, count: int, usage: str) -> None:
    """There are no accelerators here: the account's limit for such types is 0, as with a new account of AWS's.

    `usage`: `endpoint`, `processing job`, `training job`.
    """
    known = limits(instance_type)
    if known is None or known.accelerators:
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{instance_type} for {usage} usage' is 0 Instances, with current "
            f"utilization of 0 Instances and a request delta of {count} Instances. Please contact AWS support to "
            "request an increase for this limit.",
        )

"""One call of Feature Store's runtime: it shares its write to the disk with others at the same time, and is measured.

Called by `gateway.serve`. https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

from ringfence.core.call import Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import Operation
from ringfence.core.results import Forward
from ringfence.explain.logged_call import LoggedCall
from ringfence.gateway.feature_store.online_call import perform_online
from ringfence.gateway.invocation.measurement import rounded
from ringfence.gateway.perform import Caller, Gateway, perform
from ringfence.resources.cloudwatch import Dimensions
from ringfence.resources.feature_store import FeatureGroup
from ringfence.services.cloudwatch.measurement import Source

SERVICE = "sagemaker-featurestore-runtime"
_NAMESPACE = "AWS/SageMaker"


async def perform_feature_call(
    gateway: Gateway, operation: Operation, parameters: Request, caller: Caller, logged: LoggedCall
) -> Result | Forward:
    """As `perform`. Reads wait too, for what they saw to be on disk."""
    status = 500
    try:
        result = await _perform(gateway, operation, parameters, caller, logged)
        await gateway.store.sync()
        status = 200
        return result
    except ServiceError as error:
        status = error.status
        raise
    finally:
        _note(gateway, operation.name, parameters, caller, logged, status)


async def _perform(
    gateway: Gateway, operation: Operation, parameters: Request, caller: Caller, logged: LoggedCall
) -> Result | Forward:
    if gateway.online is None:
        return perform(gateway, operation, parameters, caller, logged, durable=False)
    return await perform_online(gateway, gateway.online, operation, parameters, caller, logged)


def _note(gateway: Gateway, name: str, parameters: Request, caller: Caller, logged: LoggedCall, status: int) -> None:
    """Of a group that is not there nothing is measured: anybody could fill the daemon's memory with names."""
    dimensions: Dimensions = (("OperationName", name),)
    account = caller.principal.account
    if "FeatureGroupName" in parameters:
        group = str(parameters["FeatureGroupName"]).rpartition("/")[2]
        if gateway.store.load(FeatureGroup, f"{account}/{gateway.region}/{group}") is None:
            return
        dimensions = (("FeatureGroupName", group), *dimensions)
    now = gateway.now()
    gateway.measurements.add(
        Source(account, gateway.region, _NAMESPACE, dimensions),
        now.timestamp(),
        [
            ("Invocations", "None", 1.0),
            ("Operation4XXErrors", "None", float(400 <= status < 500)),
            ("Operation5XXErrors", "None", float(status >= 500)),
            ("Latency", "Microseconds", rounded((now - logged.at).total_seconds())),
        ],
    )

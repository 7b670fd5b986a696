"""A DeploymentConfig: what of it is wrong. Called by the operations on endpoints; `reconcile` follows it.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeploymentConfig.html . AWS's texts are not known: ours.
"""

from collections.abc import Mapping
from typing import Any

from ringfence.core.call import Call
from ringfence.resources.cloudwatch import MetricAlarm
from ringfence.resources.sagemaker import Fleet
from ringfence.services.sagemaker.execution_role import find_role, session_of
from ringfence.services.sagemaker.refusal import invalid, refuse_others
from ringfence.services.sagemaker.serverless import is_serverless

_TRAFFIC = "BlueGreenUpdatePolicy.TrafficRoutingConfiguration"


def check_deployment_config(call: Call, config: Mapping[str, Any], new: Fleet, old: Fleet | None, owner: str) -> None:
    """Raise ValidationException. `old`: the fleet that serves; None when the endpoint is created. `owner`: its ARN."""
    refuse_others(config, frozenset({"BlueGreenUpdatePolicy", "RollingUpdatePolicy", "AutoRollbackConfiguration"}))
    blue_green, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise invalid("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified.")
    # the updates of a serverless variant are as if it had one instance, which may not be its largest part
    instances = sum(variant.count for variant in new.variants) or 1
    if blue_green:
        _check_blue_green(blue_green, instances)
    if rolling:
        _check_rolling(rolling, instances)
        # https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
        if len(new.production) > 1:
            raise invalid("RollingUpdatePolicy cannot be used with an endpoint of several production variants.")
        if is_serverless(new):
            raise invalid("RollingUpdatePolicy cannot be used with a serverless endpoint.")
    if old is not None and {one.name for one in old.production} != {one.name for one in new.production}:
        # https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
        raise invalid("With a DeploymentConfig, the new endpoint configuration must have the variants of the old one.")
    _check_alarms(call, config, new, owner)


def _check_blue_green(policy: Mapping[str, Any], instances: int) -> None:
    traffic = policy["TrafficRoutingConfiguration"]
    kind = traffic["Type"]
    for member, of in (("CanarySize", "CANARY"), ("LinearStepSize", "LINEAR")):
        if (member in traffic) != (kind == of):
            raise invalid(f"{_TRAFFIC}.{member} must be specified if, and only if, Type is {of}.")
    if kind == "CANARY":
        _check_size(traffic["CanarySize"], f"{_TRAFFIC}.CanarySize", instances, 0, 50)
    if kind == "LINEAR":
        _check_size(traffic["LinearStepSize"], f"{_TRAFFIC}.LinearStepSize", instances, 10, 50)
    waits = traffic["WaitIntervalInSeconds"] + policy.get("TerminationWaitInSeconds", 0)
    _check_timeout(policy, waits, "BlueGreenUpdatePolicy")


def _check_rolling(policy: Mapping[str, Any], instances: int) -> None:
    _check_size(policy["MaximumBatchSize"], "RollingUpdatePolicy.MaximumBatchSize", instances, 5, 50)
    if back := policy.get("RollbackMaximumBatchSize"):
        _check_size(back, "RollingUpdatePolicy.RollbackMaximumBatchSize", instances, 0, 100)
    _check_timeout(policy, policy["WaitIntervalInSeconds"], "RollingUpdatePolicy")


def _check_size(size: Mapping[str, Any], where: str, instances: int, least: int, most: int) -> None:
    value: int = size["Value"]
    percent = value if size["Type"] == "CAPACITY_PERCENT" else 100 * value / instances
    # one instance is the least that there can be
    if percent > most and not (size["Type"] == "INSTANCE_COUNT" and value == 1):
        raise invalid(f"{where} must not be more than {most} percent of the instances.")
    if percent < least:
        raise invalid(f"{where} must not be less than {least} percent of the instances.")


def _check_timeout(policy: Mapping[str, Any], waits: int, where: str) -> None:
    if waits >= policy.get("MaximumExecutionTimeoutInSeconds", waits + 1):
        raise invalid(f"{where}.MaximumExecutionTimeoutInSeconds must be more than all waiting times together.")


def _check_alarms(call: Call, config: Mapping[str, Any], new: Fleet, owner: str) -> None:
    """ "Ensure that your IAM execution role has permission to perform the cloudwatch:DescribeAlarms action"

    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html
    """
    for alarm in config.get("AutoRollbackConfiguration", {}).get("Alarms", ()):
        name = alarm.get("AlarmName")
        if name is None or call.records.get(MetricAlarm, call.scoped(name)) is None:
            raise invalid(f'Could not find the alarm "{name}" of the AutoRollbackConfiguration.')
        for arn in {variant.role_arn for variant in new.variants}:
            role = find_role(call, arn, owner)
            where = call.arn("cloudwatch", f"alarm:{name}")
            if role is None or not call.may(session_of(call, role), "cloudwatch:DescribeAlarms", where):
                raise invalid(
                    f'The execution role "{arn}" must be allowed cloudwatch:DescribeAlarms on the alarm "{name}".'
                )

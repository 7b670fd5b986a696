"""The execution role: that SageMaker may assume it, and that it may make the network interfaces.

SageMaker makes them with the role's own permissions, at each launch; deletes them with these too.
https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
"""

from collections.abc import Iterator

from ringfence.core.call import Arrival, Principal, Request
from ringfence.explain import aws_message
from ringfence.explain.denial import because, denies, mend, refusing
from ringfence.explain.finding import Finding, Seen, note, ok, wrong
from ringfence.explain.hosting import SAGEMAKER, Ground, Plan, role_record, role_session, roles_of
from ringfence.explain.logged_call import Question
from ringfence.resources.ec2 import Subnet, Vpc
from ringfence.services.sagemaker.failure_reason import role_refused

# Of the interface that is only thought of; gateway.admin.hosting puts its records under these ids.
SUPPOSED_INTERFACE, SUPPOSED_PERMISSION = "eni-00000000000000000", "eni-perm-00000000000000000"
_SERVICE_ACCOUNT = "770088000000"  # SageMaker's: ours, as in reconcile
# without these the interface stays behind; without the others it is never made
_AT_THE_END = ("DeleteNetworkInterface", "DeleteNetworkInterfacePermission")
IN_PROCESS = Arrival(source_ip="")


def check_role(ground: Ground, plan: Plan) -> Iterator[Finding]:
    for arn in roles_of(plan):
        yield _trust(ground, arn)
        for subnet_ids, group_ids in dict.fromkeys(
            (one.subnet_ids, one.group_ids) for one in plan.variants if one.role_arn == arn and one.subnet_ids
        ):
            yield _interface_rights(ground, arn, subnet_ids, group_ids)


def check_trust(ground: Ground, plan: Plan) -> Iterator[Finding]:
    """Of an app of Studio: SageMaker's own role makes its interface."""
    for arn in roles_of(plan):
        yield _trust(ground, arn)


def _trust(ground: Ground, arn: str) -> Finding:
    role = role_record(ground.records, arn)
    if role is None:
        return wrong("trust", arn, f"there is no role {arn}", "create it, or name another", _refused(arn))
    service = Principal(kind="service", account=role.account, arn=SAGEMAKER, id=SAGEMAKER, service=SAGEMAKER)
    request: Request = {"RoleArn": arn, "RoleSessionName": "SageMaker"}
    denied = ground.permits(service, "sts", "AssumeRole", request, IN_PROCESS)
    if denied is None:
        return ok("trust", arn, f"role `{role.name}` trusts {SAGEMAKER}")
    sentence = f"role `{role.name}` does not let {SAGEMAKER} assume it: {because(denied)}"
    return wrong("trust", arn, sentence, mend(denied), _refused(arn))


def _refused(arn: str) -> Seen:
    return Seen("", role_refused(arn))


def _interface_rights(ground: Ground, arn: str, subnet_ids: tuple[str, ...], group_ids: tuple[str, ...]) -> Finding:
    role = role_record(ground.records, arn)
    if role is None:
        return note("ec2-rights", arn, "not judged: there is no such role")
    who = role_session(role)
    missing: dict[str, Question] = {}
    for operation, request in _requests(ground, subnet_ids, group_ids):
        denied = ground.permits(who, "ec2", operation, request, IN_PROCESS)
        if denied is not None:
            missing.setdefault(denied.request.action, denied)
    if not missing:
        return ok("ec2-rights", arn, f"role `{role.name}` has the ten EC2 actions that network interfaces need")
    sentence = f"role `{role.name}` lacks {', '.join(missing)}: {because(next(iter(missing.values())))}"
    remedy = _mend_rights(missing)
    if all(action.removeprefix("ec2:") in _AT_THE_END for action in missing):
        left = f"{sentence}: its interfaces will stay behind and keep subnets and groups from being deleted"
        return wrong("ec2-rights", arn, left, remedy, None)
    return wrong("ec2-rights", arn, sentence, remedy, aws_message.internal_error())


def _mend_rights(missing: dict[str, Question]) -> str:
    """For what no identity-based policy allows, one sentence; what a boundary, a session policy, an organization's
    policy or a Deny refuses is not to be had there."""
    if all(refusing(denied) == ("identity",) and not denies(denied) for denied in missing.values()):
        return (
            f'allow {", ".join(missing)} on "*" in an identity-based policy of the role, as '
            "AmazonSageMakerFullAccess does; they must stay until the interfaces are gone"
        )
    return "; and ".join(dict.fromkeys(mend(denied) for denied in missing.values()))


def _requests(ground: Ground, subnet_ids: tuple[str, ...], group_ids: tuple[str, ...]) -> Iterator[tuple[str, Request]]:
    """What SageMaker asks of EC2 at a launch and at the end, in that order; any of the subnets may be the one."""
    subnet = ground.records.get(Subnet, subnet_ids[0])
    vpc = ground.records.get(Vpc, subnet.vpc_id) if subnet else None
    vpc_id, options = (vpc.id, vpc.dhcp_options_id) if vpc else ("", "")
    in_vpc = [{"Name": "vpc-id", "Values": [vpc_id]}]
    interface = {"NetworkInterfaceId": SUPPOSED_INTERFACE}
    yield "DescribeSubnets", {"SubnetIds": list(subnet_ids)}
    yield "DescribeVpcs", {"VpcIds": [vpc_id]}
    yield "DescribeDhcpOptions", {"DhcpOptionsIds": [options]}
    yield "DescribeSecurityGroups", {"GroupIds": list(group_ids)}
    yield "DescribeVpcEndpoints", {"Filters": in_vpc}
    yield "DescribeNetworkInterfaces", {"Filters": in_vpc}
    for id in subnet_ids:
        yield "CreateNetworkInterface", {"SubnetId": id, "Groups": list(group_ids), "Description": "…"}
    permission = {"AwsAccountId": _SERVICE_ACCOUNT, "Permission": "INSTANCE-ATTACH"}
    yield "CreateNetworkInterfacePermission", {**interface, **permission}
    yield "DeleteNetworkInterfacePermission", {"NetworkInterfacePermissionId": SUPPOSED_PERMISSION}
    yield "DeleteNetworkInterface", interface

"""What keeps subnets, groups and the VPC of the model from being deleted: network interfaces, and whose they are."""

from collections import defaultdict
from collections.abc import Iterator

from ringfence.explain.finding import Finding, Seen, ok, wrong
from ringfence.explain.holder import describe_owner, is_sagemakers
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.standing import vpcs_of
from ringfence.network.topology.vpc import Vpc
from ringfence.resources.ec2 import NetworkInterface, SecurityGroupRule

_MOST = 8


def check_leftovers(ground: Ground, plan: Plan) -> Iterator[Finding]:
    groups = {group for _, group_ids in plan.networks for group in group_ids}
    subnets = {subnet for subnet_ids, _ in plan.networks for subnet in subnet_ids}
    for vpc in vpcs_of(ground, plan):
        found = [
            one
            for one in ground.records.all(NetworkInterface)
            if one.vpc_id == vpc.id and (one.subnet_id in subnets or groups & set(one.group_ids))
        ]
        yield _left(vpc, found)
        yield _holding(ground, vpc, found, groups)


def _left(vpc: Vpc, found: list[NetworkInterface]) -> Finding:
    """SageMaker's interfaces that are attached to nothing: the role may not delete them, or not any more."""
    left = [one for one in found if one.attachment is None and is_sagemakers(one)]
    if not left:
        return ok("leftovers", vpc.id, f"SageMaker has left no network interface behind in {vpc.id}")
    ids = [one.id for one in left]
    sentence = f"SageMaker has left {', '.join(ids[:_MOST])} behind: subnets and groups cannot be deleted"
    seen = Seen("DependencyViolation", f"resource {left[0].group_ids[0]} has a dependent object", "DeleteSecurityGroup")
    remedy = "delete them (ec2 delete-network-interface), and let the role keep ec2:DeleteNetworkInterface"
    return wrong("leftovers", vpc.id, sentence, remedy, seen, *ids)


def _holding(ground: Ground, vpc: Vpc, found: list[NetworkInterface], groups: set[str]) -> Finding:
    by_owner: dict[str, list[str]] = defaultdict(list)
    for one in found:
        by_owner[describe_owner(ground.records, one)].append(one.id)
    for rule in ground.records.all(SecurityGroupRule):
        if rule.referenced_group_id in groups and rule.group_id != rule.referenced_group_id:
            by_owner[f"rule {rule.id} of {rule.group_id}, which refers to {rule.referenced_group_id}"] = []
    if not by_owner:
        return ok("holds", vpc.id, f"nothing keeps the model's subnets and groups in {vpc.id} from being deleted")
    shown = "; ".join(": ".join(filter(None, (who, ", ".join(ids[:_MOST])))) for who, ids in by_owner.items())
    return ok("holds", vpc.id, f"the model's subnets and groups cannot be deleted while these exist: {shown}", vpc.id)

"""Which interfaces flow logs look at. The last pass over VPCs: what has no flow log stays the object that it was."""

from collections import defaultdict
from dataclasses import replace

from ringfence.core.record import Reader
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.vpc import Vpc
from ringfence.resources.flow_log import FlowLog


def with_flow_logs(vpcs: dict[str, Vpc], records: Reader) -> dict[str, Vpc]:
    """The VPCs with `flow_logs` set where there are any, and `logged` on the interfaces that they look at."""
    targets: dict[str, set[str]] = defaultdict(set)
    for log in records.all(FlowLog):
        targets[log.resource_type].add(log.resource_id)
    return {id: _logged(vpc, targets) for id, vpc in vpcs.items()} if targets else vpcs


def _logged(vpc: Vpc, targets: dict[str, set[str]]) -> Vpc:
    def wanted(interface: Interface) -> bool:
        return (
            vpc.id in targets["VPC"]
            or interface.subnet_id in targets["Subnet"]
            or interface.id in targets["NetworkInterface"]
        )

    within = (vpc.subnets.keys() & targets["Subnet"]) | (vpc.interfaces.keys() & targets["NetworkInterface"])
    if vpc.id not in targets["VPC"] and not within:
        return vpc
    interfaces = {id: replace(one, logged=True) if wanted(one) else one for id, one in vpc.interfaces.items()}
    return replace(vpc, interfaces=interfaces, flow_logs=True)

"""Studio's own needs in a VPC: NFS to the home directory, SageMaker's API, TCP 8192-65535 among its apps, and endpoint
policies that let people start and open apps. Called by explain.app.

https://docs.aws.amazon.com/sagemaker/latest/dg/studio-notebooks-and-internet-access.html
"""

from collections.abc import Iterator

from ringfence.explain import aws_message
from ringfence.explain.finding import Finding, Seen, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.policy_lint import reach
from ringfence.explain.standing import Standing, standings, vpcs_of
from ringfence.explain.supposed import suppose_interface
from ringfence.explain.way_to_service import mend_way
from ringfence.network.explain import explain
from ringfence.network.trace import Packet, trace
from ringfence.resources.ec2 import VpcEndpoint
from ringfence.resources.studio import App, Domain, DomainStatus
from ringfence.services.sagemaker.studio_failure import NFS_PORT, NO_SAGEMAKER, no_home

_FIRST, _LAST = 8192, 65535
_TCP = 6
_URL = "sagemaker:CreatePresignedDomainUrl"


def check_home(ground: Ground, plan: Plan, status: DomainStatus | None) -> Iterator[Finding]:
    """NFS to the mount target of each subnet."""
    targets = {one.subnet_id: one for one in status.mount_targets} if status is not None else {}
    for standing in standings(ground, plan):
        target = targets.get(standing.subnet.id)
        place = ground.topology.instances.get(target.id) if target is not None else None
        if target is None or place is None or place.address is None:
            yield note("home", standing.subnet.id, f"{standing.subnet.id} has no mount target yet")
            continue
        walked = standing.send(place.address, NFS_PORT)
        if walked.delivered:
            sentence = f"NFS reaches the mount target {target.id} in {standing.subnet.id}"
            yield ok("home", standing.subnet.id, sentence, target.interface_id)
            continue
        said = explain(walked)
        seen = Seen("", no_home(target.id, target.subnet_id))
        sentence = f"the app does not reach its home directory: {said.sentence}"
        yield wrong("home", standing.subnet.id, sentence, said.remedy, seen, walked.deciding.owner)


def check_outside(ground: Ground, plan: Plan) -> Iterator[Finding]:
    """What PublicInternetOnly means for the VPC: AWS promises its interface to the home directory alone."""
    for vpc in vpcs_of(ground, plan):
        shown = ", ".join(vpc.cidrs)
        sentence = f"PublicInternetOnly: by its interface goes what is for {shown}, the rest by SageMaker's own network"
        remedy = "make a domain with VpcOnly to keep its traffic in the VPC"
        yield note("network", vpc.id, sentence, remedy, vpc.id)
        for endpoint in vpc.endpoints.values():
            if endpoint.kind == "Gateway" or endpoint.private_names:
                named = endpoint.service_name or endpoint.service
                sentence = f"{endpoint.id} is not used: with PublicInternetOnly {named} is reached over the internet"
                yield note("network", endpoint.id, sentence, remedy, endpoint.id)


def check_sagemaker(ground: Ground, plan: Plan) -> Iterator[Finding]:
    """An app that cannot call the API does not start."""
    host = f"api.sagemaker.{ground.region}.amazonaws.com"
    for standing in standings(ground, plan):
        yield _judge_api(ground, standing, host)


def _judge_api(ground: Ground, standing: Standing, host: str) -> Finding:
    subnet, seen = standing.subnet.id, Seen("M15", NO_SAGEMAKER)
    address = standing.look_up(host)
    walked = standing.send(address, 443) if address is not None else None
    if walked is not None and walked.delivered:
        return ok("sagemaker", subnet, f"{host} is within reach of {subnet}")
    remedy = mend_way(standing, host, f"com.amazonaws.{ground.region}.sagemaker.api", walked, "or a NAT gateway")
    if walked is None:
        return wrong("sagemaker", subnet, f"{host} does not resolve in {subnet}", remedy, seen, subnet)
    sentence = f"the app does not reach {host} from {subnet}: {explain(walked).sentence}"
    return wrong("sagemaker", subnet, sentence, remedy, seen, walked.deciding.owner)


def check_kernels(ground: Ground, plan: Plan) -> Iterator[Finding]:
    """ "TCP traffic within the security group": between a JupyterServer and its kernel gateways. JupyterLab has its
    kernels in itself, so a missing rule is its fault only once there are gateways: a note."""
    for subnets, groups in plan.networks:
        for first in standings(ground, plan):
            for receiver in subnets:
                if first.subnet.id <= receiver and receiver in first.vpc.subnets:
                    yield _judge_pair(first, receiver, groups)


def _judge_pair(first: Standing, receiver: str, groups: tuple[str, ...]) -> Finding:
    subject = f"{first.subnet.id} to {receiver}"
    supposed, name = suppose_interface(first.topology, first.vpc, receiver, groups)
    target = supposed.vpcs[first.vpc.id].interfaces[name].address
    for port in (_FIRST, _LAST):
        walked = trace(supposed, Packet(first.name, target, _TCP, port))
        if not walked.delivered:
            said = explain(walked)
            sentence = f"a JupyterServer does not reach a kernel gateway, {subject}, port {port}: {said.sentence}"
            remedy = said.remedy
            if "group" in walked.deciding.stage:
                remedy = f"let {groups[0]} admit TCP {_FIRST}-{_LAST} from itself, and let it out"
            return note("kernels", subject, sentence, remedy, *groups)
    return ok(
        "kernels", subject, f"a JupyterServer reaches kernel gateways on TCP {_FIRST}-{_LAST}, {subject}", *groups
    )


def check_policies(ground: Ground, app: App, domain: Domain) -> Iterator[Finding]:
    """Whether people in the VPC can start this app and open it through its endpoints."""
    profile = f"arn:aws:sagemaker:{app.region}:{app.account}:user-profile/{app.domain_id}/{app.owner}"
    for record in ground.records.all(VpcEndpoint):
        if record.vpc_id != domain.vpc_id:
            continue
        if record.service_name.endswith(".sagemaker.api"):
            yield judge_policy(record, "sagemaker:CreateApp", app.arn)
        if record.service_name.endswith((".sagemaker.api", ".studio")) and not app.in_space:
            yield judge_policy(record, _URL, profile)


def judge_policy(record: VpcEndpoint, action: str, arn: str) -> Finding:
    subject = f"{record.id} {action}"
    match reach(record.policy, action, arn):
        case "yes":
            return ok("studio-policy", subject, f"the policy of {record.id} allows {action} on {arn}", record.id)
        case "conditional":
            sentence = f"the policy of {record.id} allows {action} on {arn} to some callers or on a condition"
            return note(
                "studio-policy", subject, sentence, "`ringfence explain call --denied` after a refusal", record.id
            )
        case how:
            why = "denies" if how == "denied" else "does not allow"
            sentence = f"the policy of {record.id} {why} {action} on {arn}"
            remedy = f"let a statement of the policy of {record.id} allow {action} on {arn}"
            seen = aws_message.endpoint_policy_denial(action, arn)
            return wrong("studio-policy", subject, sentence, remedy, seen, record.id)

"""What a container may want to call: AWS's services that have interface endpoints, from each subnet of the model.

Only notes: nobody knows what a container calls. It is why many hang at their start.
"""

from collections.abc import Iterator

from ringfence.explain.finding import Finding, note, ok
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.standing import Standing, standings
from ringfence.explain.way_to_service import mend_way
from ringfence.network.addresses import service_facts
from ringfence.network.explain import explain

# https://github.com/aws/sagemaker-python-sdk/issues/2559 : clients that hang on STS
_SERVICES = ("sts", "logs", "sagemaker.api", "sagemaker.runtime")
# Their hosts are the whole world's and have no VPC endpoint. Older SDKs ask STS at its.
_WORLD = ("sts.global", "iam")


def check_calls(ground: Ground, plan: Plan) -> Iterator[Finding]:
    isolated = {subnet for variant in plan.variants if variant.isolated for subnet in variant.subnet_ids}
    open_ones = {subnet for variant in plan.variants if not variant.isolated for subnet in variant.subnet_ids}
    found = [one for one in standings(ground, plan) if one.subnet.id in open_ones]
    for service in _SERVICES:
        if found:
            yield _judge(ground, service, found)
        elif isolated:
            yield ok("calls", service, f"the container is isolated: it does not call {service}")


def _judge(ground: Ground, service: str, found: list[Standing]) -> Finding:
    facts = service_facts(service)
    assert facts is not None
    host = facts.names[0].format(r=ground.region)
    for standing in found:
        address = standing.look_up_anyhow(host)
        walked = standing.send(address, 443) if address is not None else None
        if walked is not None and walked.delivered:
            continue
        name = facts.endpoint_service_name(ground.region)
        remedy = mend_way(standing, host, name, walked, "if the container needs it")
        subnet = standing.subnet.id
        if walked is None:
            return note("calls", service, f"{host} does not resolve in {subnet}", remedy, subnet, standing.vpc.id)
        sentence = f"a container that calls {host} from {subnet} waits in vain: {explain(walked).sentence}"
        return note("calls", service, sentence, remedy, subnet, walked.deciding.owner)
    beyond = _out_of_reach(found) if service == "sts" else ""
    return ok("calls", service, f"{host} is within reach of the container{beyond}")


def _out_of_reach(found: list[Standing]) -> str:
    """The hosts without an endpoint that a private subnet cannot call: worth knowing, and wrong with nothing."""
    hosts = [facts.names[0] for one in _WORLD if (facts := service_facts(one)) is not None]
    far = [host for host in hosts if not all(_reaches(standing, host) for standing in found)]
    return f"; {' and '.join(far)}, without a VPC endpoint, only over the internet" if far else ""


def _reaches(standing: Standing, host: str) -> bool:
    address = standing.look_up_anyhow(host)
    return address is not None and standing.send(address, 443).delivered

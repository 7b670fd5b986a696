"""A notebook instance's own needs: ways to SageMaker and S3 without DirectInternetAccess; for people, one to its URL.

Called by explain.notebook.
https://docs.aws.amazon.com/sagemaker/latest/dg/appendix-notebook-and-internet-access.html
https://docs.aws.amazon.com/sagemaker/latest/dg/notebook-interface-endpoint.html
"""

from collections.abc import Iterator

from ringfence.explain import aws_message
from ringfence.explain.checks.opener import check_openers
from ringfence.explain.checks.s3_route import check_own_s3
from ringfence.explain.checks.studio import judge_policy
from ringfence.explain.finding import Finding, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.standing import Standing, standings, vpcs_of
from ringfence.explain.way_to_s3 import s3_endpoints
from ringfence.explain.way_to_service import mend_way
from ringfence.network.addresses import service_facts
from ringfence.network.explain import explain
from ringfence.resources.ec2 import VpcEndpoint
from ringfence.resources.notebook import NotebookInstance

# "you can't train or host models from it" without these
_NEEDED = ("sagemaker.api", "sagemaker.runtime")
_URL = "sagemaker:CreatePresignedNotebookInstanceUrl"


def check_needs(ground: Ground, plan: Plan) -> Iterator[Finding]:
    """From the VPC alone: SageMaker by its endpoints or a NAT gateway, S3 by its endpoint or one."""
    for standing in standings(ground, plan):
        for service in _NEEDED:
            yield _judge_service(ground, standing, service)
    yield from check_own_s3(ground, plan, "the notebook instance", needed=True)


def _judge_service(ground: Ground, standing: Standing, service: str) -> Finding:
    facts = service_facts(service)
    assert facts is not None
    host, subnet = facts.names[0].format(r=ground.region), standing.subnet.id
    seen = aws_message.connect_timeout(host)
    address = standing.look_up(host)
    walked = standing.send(address, 443) if address is not None else None
    if walked is not None and walked.delivered:
        return ok("sagemaker", service, f"{host} is within reach of {subnet}", subnet)
    remedy = mend_way(standing, host, facts.endpoint_service_name(ground.region), walked, "or a NAT gateway")
    if walked is None:
        return wrong("sagemaker", service, f"{host} does not resolve in {subnet}", remedy, seen, subnet)
    sentence = f"the notebook instance does not reach {host} from {subnet}: {explain(walked).sentence}"
    return wrong("sagemaker", service, sentence, remedy, seen, walked.deciding.owner)


def check_direct(ground: Ground, plan: Plan) -> Iterator[Finding]:
    """What DirectInternetAccess means for the endpoints that the VPC has."""
    for standing in standings(ground, plan):
        vpc = standing.vpc
        shown = ", ".join(vpc.cidrs)
        yield ok("direct", vpc.id, f"by its interface goes what is for {shown}, the rest by SageMaker's own network")
        for id in s3_endpoints(standing.topology, vpc.id):
            sentence = f"{id} is not used: with DirectInternetAccess S3 is reached over the internet"
            yield note("direct", id, sentence, "create it with DirectInternetAccess Disabled to use the endpoint", id)


def check_url(ground: Ground, plan: Plan, notebook: NotebookInstance) -> Iterator[Finding]:
    """How people who stand in the VPC open its URL."""
    yield from check_openers(ground, plan, notebook.domain, f"aws.sagemaker.{ground.region}.notebook")
    for vpc in vpcs_of(ground, plan):
        for record in ground.records.all(VpcEndpoint):
            if record.vpc_id == vpc.id and record.service_name.endswith((".sagemaker.api", ".notebook")):
                yield judge_policy(record, _URL, notebook.arn)

"""The policies of all VPC endpoints of the VPC: faults of the documents, and whether the endpoint can be invoked."""

from collections.abc import Iterator

from ringfence.explain import aws_message
from ringfence.explain.finding import Finding, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.policy_lint import lint, reach
from ringfence.explain.standing import vpcs_of
from ringfence.resources.ec2 import VpcEndpoint

_INVOKE = "sagemaker:InvokeEndpoint"


def check_endpoint_policies(ground: Ground, plan: Plan) -> Iterator[Finding]:
    for vpc in vpcs_of(ground, plan):
        for id in vpc.endpoints:
            record = ground.records.get(VpcEndpoint, id)
            if record is None:
                continue
            yield check_document(record)
            if record.service_name.endswith(".sagemaker.runtime") and plan.endpoint is not None:
                yield _invocation(record, plan.endpoint.arn)


def check_document(record: VpcEndpoint) -> Finding:
    """What shows without any call."""
    faults = list(lint(record.policy, record.type == "Gateway"))
    if not faults:
        return ok(
            "endpoint-policy", record.id, f"the policy of {record.id} ({record.service_name}) says what it seems to"
        )
    sentence = "; ".join(fault for fault, _ in faults)
    seen = aws_message.endpoint_policy_denial("<action>", "<resource>")
    return wrong("endpoint-policy", record.id, f"the policy of {record.id} {sentence}", faults[0][1], seen)


def _invocation(record: VpcEndpoint, arn: str) -> Finding:
    match reach(record.policy, _INVOKE, arn):
        case "yes":
            return ok("invocation", record.id, f"the policy of {record.id} allows {_INVOKE} on this endpoint")
        case "conditional":
            sentence = f"the policy of {record.id} allows {_INVOKE} on this endpoint to some callers or on a condition"
            return note("invocation", record.id, sentence, "`ringfence explain call --denied` after a refusal")
        case how:
            why = "denies" if how == "denied" else "does not allow"
            sentence = f"the policy of {record.id} {why} {_INVOKE} on {arn}: nobody can invoke it through {record.id}"
            seen = aws_message.endpoint_policy_denial(_INVOKE, arn)
            remedy = f"let a statement of the policy of {record.id} allow {_INVOKE} on {arn}"
            return wrong("invocation", record.id, sentence, remedy, seen)

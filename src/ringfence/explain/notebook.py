"""Everything that a notebook instance needs of its role and network, and how its URL can be opened from the VPC.

Pure. Called by gateway.admin.hosting for `ringfence explain notebook`; what is true of models too is in hosting's
checks.
"""

from collections.abc import Iterator

from ringfence.core.record import Reader
from ringfence.explain.checklist import Checklist, tell
from ringfence.explain.checks.calls import check_calls
from ringfence.explain.checks.endpoint_policy import check_endpoint_policies
from ringfence.explain.checks.internet_route import check_internet_route
from ringfence.explain.checks.lifecycle import check_script
from ringfence.explain.checks.names import check_names
from ringfence.explain.checks.notebook import check_direct, check_needs, check_url
from ringfence.explain.checks.placement import check_placement
from ringfence.explain.checks.role import check_role
from ringfence.explain.finding import Finding, note
from ringfence.explain.hosting import Ground, Plan, plan_alone
from ringfence.resources.notebook import NotebookInstance
from ringfence.services.sagemaker.notebook_failure import LOG_GROUP, is_of_script
from ringfence.services.sagemaker.notebook_state import notebook_state, notebook_status


def find_notebook(records: Reader, account: str, region: str, name: str) -> NotebookInstance | None:
    return records.get(NotebookInstance, f"{account}/{region}/{name}")


def place_of_notebook(notebook: NotebookInstance) -> Plan:
    """The instance as hosting's checks see instances."""
    subnets = (notebook.subnet_id,) if notebook.subnet_id else ()
    return plan_alone(notebook.name, notebook.role_arn, notebook.instance_type, subnets, notebook.group_ids)


def explain_notebook(ground: Ground, notebook: NotebookInstance) -> Checklist:
    """State, findings, and which of them is behind the FailureReason."""
    plan = place_of_notebook(notebook)
    findings = tuple(dict.fromkeys(_find(ground, plan, notebook)))
    facts = {"notebook": notebook.arn, "status": notebook_state(ground.records, notebook)}
    status = notebook_status(ground.records, notebook)
    reason = status.failure_reason if status is not None else None
    return tell(list(_head(ground, notebook, reason)), findings, facts, reason)


def _find(ground: Ground, plan: Plan, notebook: NotebookInstance) -> Iterator[Finding]:
    yield from check_role(ground, plan)
    status = notebook_status(ground.records, notebook)
    if status is not None and status.failure_reason and is_of_script(status.failure_reason):
        stream = f"{notebook.name}/LifecycleConfig"
        yield from check_script(ground, notebook.name, status.failure_reason, LOG_GROUP, stream)
    if notebook.subnet_id is None:
        sentence = "it has no SubnetId: it is in SageMaker's own network, with the internet and nothing of a VPC"
        yield note("network", notebook.name, sentence, "give it SubnetId and SecurityGroupIds")
        return
    placed = status is not None and status.interface_id is not None
    yield from check_placement(ground, plan, "the notebook instance", placed)
    yield from check_names(ground, plan)
    if notebook.direct_internet_access == "Enabled":
        yield from check_direct(ground, plan)
    else:
        yield from check_needs(ground, plan)
        yield from check_calls(ground, plan)
        yield from check_internet_route(ground, plan)
        yield from check_endpoint_policies(ground, plan)
    yield from check_url(ground, plan, notebook)


def _head(ground: Ground, notebook: NotebookInstance, reason: str | None) -> Iterator[str]:
    yield f"notebook instance {notebook.name}: {notebook_state(ground.records, notebook)}"
    if reason:
        yield f"FailureReason: {reason}"
    where = f"{notebook.subnet_id} with {', '.join(notebook.group_ids)}" if notebook.subnet_id else "no VPC"
    yield f"  {notebook.instance_type}, {where}, DirectInternetAccess {notebook.direct_internet_access}"

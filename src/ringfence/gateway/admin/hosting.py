"""The ground of `explain endpoint`, `model`, `job` and `vpc-endpoint`: records, topology, the gateway's own authorizer.

The admin API asks; nothing is written and no call is made. Called by gateway.admin.api.
"""

from collections.abc import Callable
from datetime import datetime

from ringfence.core.call import Arrival, Call, Principal, Request
from ringfence.core.errors import ServiceError
from ringfence.core.ids import Entropy
from ringfence.core.record import Reader, Record
from ringfence.explain.app import explain_app, find_app, place_of_app
from ringfence.explain.checklist import Checklist, tell
from ringfence.explain.checks.role import SUPPOSED_INTERFACE, SUPPOSED_PERMISSION
from ringfence.explain.endpoint import explain_hosting
from ringfence.explain.hosting import Ground, Permits, Plan, plan_endpoint, plan_model
from ringfence.explain.job import explain_job, find_job, place_of
from ringfence.explain.logged_call import Question
from ringfence.explain.notebook import explain_notebook, find_notebook, place_of_notebook
from ringfence.explain.supposed import SupposedRecords
from ringfence.explain.vpc_endpoint import find_of_endpoint
from ringfence.gateway.authorization.authorize import Denied, authorize
from ringfence.gateway.perform import find_operation
from ringfence.network.topology import Topology
from ringfence.resources.ec2 import NetworkInterface, NetworkInterfacePermission, Subnet, VpcEndpoint, VpcEndpointStatus
from ringfence.runtime.driver import Image, State

Resolve = Callable[[str], Image | None]
Look = Callable[[str], State]


def explain_hosted(
    records: Reader,
    topology: Topology,
    place: tuple[str, str],
    wanted: tuple[str, str],
    machine: tuple[Resolve, Look],
    now: datetime,
    entropy: Entropy,
) -> Checklist | None:
    """`place`: account and region. `wanted`: `endpoint`, `model`, `job`, `app`, `notebook`, `vpc-endpoint`; and a name.

    None if there is no such thing.
    """
    kind, name = wanted

    def ground(plan: Plan | None) -> Ground:
        supposed = SupposedRecords(records, *(_interface(records, plan) if plan else ()))
        return Ground(records, topology, *place, make_permits(supposed, place[1], now, entropy), *machine)

    if kind == "vpc-endpoint":
        return _explain_vpc_endpoint(ground(None), name)
    if kind == "job":
        job = find_job(records, *place, name)
        return explain_job(ground(place_of(job)), job) if job is not None else None
    if kind == "app":
        app = find_app(records, *place, name)
        return explain_app(ground(place_of_app(records, app)), app) if app is not None else None
    if kind == "notebook":
        notebook = find_notebook(records, *place, name)
        return explain_notebook(ground(place_of_notebook(notebook)), notebook) if notebook is not None else None
    plan = (plan_endpoint if kind == "endpoint" else plan_model)(records, *place, name)
    return explain_hosting(ground(plan), plan) if plan is not None else None


def _explain_vpc_endpoint(ground: Ground, id: str) -> Checklist | None:
    found = ground.records.get(VpcEndpoint, id)
    if found is None or (found.account, found.region) != (ground.account, ground.region):
        return None
    status = ground.records.get(VpcEndpointStatus, id)
    state = "deleting" if found.deleting else status.state if status else "pending"
    head = [f"VPC endpoint {id}: {state}", f"  {found.type} endpoint of {found.service_name} in {found.vpc_id}"]
    facts = {"state": {"id": id, "status": state, "service": found.service_name, "vpc": found.vpc_id}}
    return tell(head, find_of_endpoint(ground, found), facts)


def make_permits(records: SupposedRecords, region: str, now: datetime, entropy: Entropy) -> Permits:
    """The authorizer's answer to a call that nobody makes."""

    def permits(principal: Principal, service: str, name: str, request: Request, arrival: Arrival) -> Question | None:
        asked: list[Question] = []
        call = Call(records, principal.account, region, principal, arrival, now, "", entropy)
        try:
            authorize(find_operation(service, name), call, request, asked.append)
        except Denied:
            return asked[-1]
        except ServiceError:
            return None  # what the call is about is not there: another check's finding
        return None

    return permits


def _interface(records: Reader, plan: Plan) -> list[Record]:
    """The network interface that a launch would make, and the permission for it."""
    subnet = next((found for ids, _ in plan.networks if (found := records.get(Subnet, ids[0]))), None)
    if subnet is None:
        return []
    groups = next(groups for ids, groups in plan.networks if ids[0] == subnet.id)
    interface = NetworkInterface(
        id=SUPPOSED_INTERFACE,
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.id,
        availability_zone=subnet.availability_zone,
        private_ip="",
        mac="",
        group_ids=groups,
        account=subnet.account,
        region=subnet.region,
    )
    permission = NetworkInterfacePermission(
        id=SUPPOSED_PERMISSION,
        network_interface_id=SUPPOSED_INTERFACE,
        aws_account_id=None,
        aws_service=None,
        permission="INSTANCE-ATTACH",
        account=subnet.account,
        region=subnet.region,
    )
    return [interface, permission]

"""Endpoints from CreateEndpoint to DeleteEndpoint, with fakes of the kernel and the containers."""

import msgspec
import pytest
from reconcile_machine import IMAGE, NOW, VPC, Machine, variant

from ringfence.resources.ec2 import NetworkInterface, NetworkInterfacePermission
from ringfence.resources.iam import Role
from ringfence.resources.instance import Instance
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet, HostStatus
from tests.patience import eventually_on_loop


async def test_in_service_when_every_instance_answers_ping(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant(count=2), variant(name="Other"))
        status = await machine.settled(endpoint)
    assert (status.status, status.serving_generation) == ("InService", 1)
    assert {name: len(ids) for name, ids in status.instances.items()} == {"AllTraffic": 2, "Other": 1}
    assert set(machine.driver.list_ids()) == {id for ids in status.instances.values() for id in ids}
    assert {host.phase for host in machine.hosts()} == {"serving"}


@pytest.mark.statement("S0.4", "S0.5", "S0.11", "S3.7", "S0.32")
async def test_interfaces_are_made_with_the_role_and_spread_over_zones(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant(count=2, **VPC))
        await machine.settled(endpoint)
    records = machine.store.snapshot()
    interfaces = records.all(NetworkInterface)
    assert {interface.subnet_id for interface in interfaces} == {"subnet-a", "subnet-b"}
    assert all(interface.attachment and interface.group_ids == ("sg-1",) for interface in interfaces)
    assert {interface.attachment.instance_id for interface in interfaces if interface.attachment} == {
        instance.id for instance in records.all(Instance)
    }
    assert machine.caller.calls.count("CreateNetworkInterfacePermission") == 2


@pytest.mark.statement("S0.33")
@pytest.mark.parametrize(
    "denied",
    [
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeNetworkInterfaces",
        "ec2:CreateNetworkInterface",
        "ec2:CreateNetworkInterfacePermission",
    ],
)
async def test_a_role_without_ec2_permissions_fails_the_endpoint(machine: Machine, denied: str) -> None:
    machine.caller.denied = {denied}
    async with machine.daemon():
        endpoint = machine.want(variant(**VPC))
        status = await machine.settled(endpoint)
        await machine.until(lambda: not machine.hosts())
    assert status.status == "Failed"
    assert status.failure_reason == "InternalServerError: We encountered an internal error.  Please try again."
    assert machine.store.snapshot().all(NetworkInterface) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"container": {"Image": IMAGE.replace("scikit", "missing")}}, "Please make sure all images included in"),
        ({"container": {"Image": IMAGE.replace("scikit", "sick")}, "startup_timeout": 1}, "did not pass the ping"),
        ({"container": {"Image": IMAGE.replace("scikit", "broken")}}, "CannotStartContainerError. Please ensure"),
    ],
)
async def test_containers_that_do_not_come_up(machine: Machine, changes: dict[str, object], reason: str) -> None:
    machine.driver.failures[IMAGE.replace("scikit", "broken")] = 'exec: "serve": executable file not found in $PATH'
    async with machine.daemon():
        status = await machine.settled(machine.want(variant(**changes)))
        await machine.until(lambda: not machine.hosts())
    assert status.status == "Failed"
    assert reason in (status.failure_reason or "")
    assert machine.driver.list_ids() == ()
    assert machine.store.snapshot().all(Instance) == []


async def test_a_container_that_exits_while_it_starts(machine: Machine) -> None:
    machine.driver.sick = True
    async with machine.daemon():
        endpoint = machine.want(variant(container={"Image": IMAGE.replace("scikit", "sick")}))
        await machine.until(lambda: any(host.phase == "starting" for host in machine.hosts()))
        await eventually_on_loop(machine.driver.list_ids)
        machine.driver.exit(machine.driver.list_ids()[0], 1)
        status = await machine.settled(endpoint)
    assert "did not pass the ping health check" in (status.failure_reason or "")
    assert status.ended == "exit code 1"


async def test_no_free_addresses(machine: Machine) -> None:
    machine.caller.free = {"subnet-a": 1, "subnet-b": 1}
    async with machine.daemon():
        status = await machine.settled(machine.want(variant(**VPC)))
    assert status.status == "Failed"
    assert (status.failure_reason or "").startswith("InsufficientFreeAddressesInSubnet")


async def test_a_role_that_cannot_be_assumed(machine: Machine) -> None:
    machine.caller.denied = {"sts:AssumeRole"}
    async with machine.daemon():
        status = await machine.settled(machine.want(variant()))
    assert "Could not assume role" in (status.failure_reason or "")


async def test_delete_leaves_nothing(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant(**VPC))
        await machine.settled(endpoint)
        machine_role(machine)
        delete(machine, endpoint)
        await machine.until(lambda: machine.store.snapshot().get(Endpoint, endpoint.key) is None)
    records = machine.store.snapshot()
    for kind in (Endpoint, EndpointStatus, Fleet, HostStatus, Instance, NetworkInterface, NetworkInterfacePermission):
        assert records.all(kind) == [], kind
    assert machine.driver.list_ids() == ()
    assert len(machine.driver.stopped) == 1
    assert "DeleteNetworkInterface" in machine.caller.calls
    assert not list(machine.config.instances.iterdir())


async def test_delete_when_the_role_is_gone(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant(**VPC))
        await machine.settled(endpoint)
        delete(machine, endpoint)
        await machine.until(lambda: machine.store.snapshot().get(Endpoint, endpoint.key) is None)
    assert "DeleteNetworkInterface" not in machine.caller.calls
    assert machine.store.snapshot().all(NetworkInterface) == []


async def test_delete_while_it_is_being_created(machine: Machine) -> None:
    machine.driver.sick = True
    async with machine.daemon():
        endpoint = machine.want(variant(container={"Image": IMAGE.replace("scikit", "sick")}, **VPC))
        await machine.until(lambda: any(host.phase == "starting" for host in machine.hosts()))
        delete(machine, endpoint)
        await machine.until(lambda: machine.store.snapshot().get(Endpoint, endpoint.key) is None)
    assert machine.driver.list_ids() == ()
    assert machine.store.snapshot().all(NetworkInterface) == []


async def test_update_switches_when_the_new_fleet_serves(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant())
        before = await machine.settled(endpoint)
        after = await machine.settled(machine.want(variant(count=2), generation=2))
        await machine.until(lambda: len(machine.hosts()) == 2)
        await machine.until(lambda: len(machine.store.snapshot().all(Fleet)) == 1)
    assert after.serving_generation == 2
    assert not set(before.instances["AllTraffic"]) & set(after.instances["AllTraffic"])
    assert set(machine.driver.list_ids()) == set(after.instances["AllTraffic"])


async def test_an_update_that_fails_leaves_the_old_fleet(machine: Machine) -> None:
    async with machine.daemon():
        before = await machine.settled(machine.want(variant()))
        bad = variant(container={"Image": IMAGE.replace("scikit", "missing")})
        after = await machine.settled(machine.want(bad, generation=2))
        await machine.until(lambda: len(machine.hosts()) == 1)
    assert (after.status, after.serving_generation) == ("InService", 1)
    assert after.instances == before.instances
    assert "Please make sure all images" in (after.failure_reason or "")


async def test_a_container_that_dies_is_replaced(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant())
        first = (await machine.settled(endpoint)).instances["AllTraffic"]
        machine.driver.exit(first[0], 137)
        await machine.until(lambda: status_of(machine, endpoint).status == "OutOfService")
        await machine.until(lambda: status_of(machine, endpoint).status == "InService")
        second = status_of(machine, endpoint).instances["AllTraffic"]
        await machine.until(lambda: len(machine.hosts()) == 1)
    assert len(second) == 1 and second != first
    assert machine.driver.list_ids() == second


async def test_a_shadow_variant_that_dies_is_replaced_and_leaves_the_endpoint_in_service(machine: Machine) -> None:
    async with machine.daemon():
        endpoint = machine.want(variant(), variant(name="Shadow", shadow=True))
        first = (await machine.settled(endpoint)).instances["Shadow"]
        machine.driver.exit(first[0], 137)
        await machine.until(lambda: not status_of(machine, endpoint).instances["Shadow"])
        assert status_of(machine, endpoint).status == "InService"
        await machine.until(lambda: status_of(machine, endpoint).instances["Shadow"] not in ((), first))


async def test_the_next_daemon_adopts_what_still_serves(machine: Machine) -> None:
    endpoint = machine.want(variant(**VPC))
    async with machine.daemon():
        before = await machine.settled(endpoint)
    machine.logs.followed.clear()
    async with machine.daemon():
        assert status_of(machine, endpoint) == before
        assert len(machine.driver.specs) == 1
        assert len(machine.logs.followed) == 1
        machine.driver.exit(before.instances["AllTraffic"][0], 1)
        await machine.until(lambda: status_of(machine, endpoint).status == "OutOfService")


async def test_the_next_daemon_replaces_what_died(machine: Machine) -> None:
    endpoint = machine.want(variant())
    async with machine.daemon():
        before = await machine.settled(endpoint)
    machine.driver.exit(before.instances["AllTraffic"][0], None)
    async with machine.daemon():
        assert status_of(machine, endpoint).status == "OutOfService"
        await machine.until(lambda: status_of(machine, endpoint).status == "InService")
    assert len(machine.driver.list_ids()) == 1


async def test_the_next_daemon_finishes_a_launch_that_was_cut_short(machine: Machine) -> None:
    machine.driver.sick = True
    endpoint = machine.want(variant(container={"Image": IMAGE.replace("scikit", "sick")}, **VPC))
    async with machine.daemon():
        await machine.until(lambda: any(host.phase == "starting" for host in machine.hosts()))
    cut = machine.hosts()[0].instance_id
    machine.driver.failures[IMAGE.replace("scikit", "sick")] = ""
    async with machine.daemon():
        await machine.until(lambda: cut not in {host.instance_id for host in machine.hosts()})
        await machine.until(lambda: any(host.phase == "starting" for host in machine.hosts()))
    assert status_or_none(machine, endpoint) is None
    assert len(machine.store.snapshot().all(NetworkInterface)) == 1


async def test_a_network_that_fails_is_retried(machine: Machine) -> None:
    machine.network.failing = 2
    async with machine.daemon():
        assert (await machine.settled(machine.want(variant()))).status == "InService"


async def test_the_isolated_container_has_no_credentials_and_no_resolver(machine: Machine) -> None:
    async with machine.daemon():
        await machine.settled(machine.want(variant(isolated=True, **VPC)))
    (spec,) = machine.driver.specs.values()
    assert str(spec.network_namespace).endswith("-c")
    assert spec.nameservers == ()
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" not in spec.env
    (instance,) = machine.store.snapshot().all(Instance)
    assert instance.role_arn is None and instance.credentials_path is None


async def test_the_container_gets_its_environment(machine: Machine) -> None:
    async with machine.daemon():
        await machine.settled(machine.want(variant(container={"Image": IMAGE, "Environment": {"KEY": "value"}})))
    (spec,) = machine.driver.specs.values()
    (instance,) = machine.store.snapshot().all(Instance)
    assert spec.args == ("serve",)
    assert spec.env["KEY"] == "value"
    assert spec.env["AWS_REGION"] == "us-west-2"
    assert spec.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] == instance.credentials_path
    assert [(mount.target, mount.read_only) for mount in spec.mounts] == [("/opt/ml/model", True)]
    assert machine.logs.followed == {spec.log: f"/aws/sagemaker/Endpoints/ep AllTraffic/{instance.id}"}


def delete(machine: Machine, endpoint: Endpoint) -> None:
    with machine.store.transaction() as records:
        records.put(msgspec.structs.replace(endpoint, deleting=True))


def machine_role(machine: Machine) -> None:
    with machine.store.transaction() as records:
        records.put(Role(name="exec", account="123456789012", id="AROAEXAMPLE", created=NOW, trust="{}"))


def status_or_none(machine: Machine, endpoint: Endpoint) -> EndpointStatus | None:
    return machine.status(endpoint)


def status_of(machine: Machine, endpoint: Endpoint) -> EndpointStatus:
    status = machine.status(endpoint)
    assert status is not None
    return status


async def test_few_start_at_once_and_their_time_runs_from_their_start(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringfence.reconcile.hosting.host._STARTING", 2)
    silent = variant(container={"Image": IMAGE.replace("scikit", "sick")}, startup_timeout=1)
    most = 0

    def all_failed() -> bool:
        nonlocal most
        most = max(most, sum(host.phase == "starting" for host in machine.hosts()))
        told = [machine.status(endpoint) for endpoint in endpoints]
        return all(status is not None and "did not pass the ping" in (status.failure_reason or "") for status in told)

    async with machine.daemon():
        endpoints = [machine.want(silent, name=f"ep-{number}") for number in range(4)]
        await machine.until(all_failed, 10)
        await machine.until(lambda: not machine.hosts())
    assert most == 2


async def test_one_that_takes_long_to_answer_lets_others_start(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringfence.reconcile.hosting.host._STARTING", 1)
    monkeypatch.setattr("ringfence.reconcile.hosting.host._STARTING_SECONDS", 0.05)
    silent = variant(container={"Image": IMAGE.replace("scikit", "sick")}, startup_timeout=30)
    async with machine.daemon():
        for number in range(3):
            machine.want(silent, name=f"ep-{number}")
        await machine.until(lambda: [host.phase for host in machine.hosts()] == ["starting"] * 3)

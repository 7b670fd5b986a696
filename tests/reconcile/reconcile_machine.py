"""The real store, loop and nouns; the two edges to the machine are fakes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ringfence.config import Config
from ringfence.core.call import Principal
from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.gateway.invocation.executions import Executions
from ringfence.network.topology import Topology
from ringfence.network.topology.instance import Instance as Place
from ringfence.reconcile.applied import Applied
from ringfence.reconcile.assemble import make_reconciler
from ringfence.reconcile.clock import SystemEdge
from ringfence.reconcile.hosting.health import Pace
from ringfence.reconcile.instance.transfer import Transfers
from ringfence.reconcile.loop import Reconciler
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.ports import Compile, Images
from ringfence.resources.ec2 import NetworkInterface, NetworkInterfacePermission
from ringfence.resources.instance import Instance
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet, HostStatus, Variant
from ringfence.runtime.driver import ContainerSpec, Image
from ringfence.runtime.fake import FakeDriver
from ringfence.services.cloudwatch.measurement import Measurements
from ringfence.services.sagemaker.capture_buffer import CaptureBuffer
from ringfence.store.blobs import BlobStore
from ringfence.store.database import Store, open_store
from tests.patience import SECONDS

ROLE = "arn:aws:iam::123456789012:role/exec"
IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
_LOOKS: dict[str, dict[str, Any]] = {
    "DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1", "DhcpOptionsId": "dopt-1"}]},
    "DescribeDhcpOptions": {
        "DhcpOptions": [
            {
                "DhcpConfigurations": [
                    {"Key": "domain-name", "Values": [{"Value": "us-west-2.compute.internal"}]},
                    {"Key": "domain-name-servers", "Values": [{"Value": "AmazonProvidedDNS"}]},
                ]
            }
        ]
    },
    "DescribeSecurityGroups": {"SecurityGroups": []},
    "DescribeVpcEndpoints": {"VpcEndpoints": []},
    "DescribeNetworkInterfaces": {"NetworkInterfaces": []},
}


def compile_network(records: Reader) -> Topology:
    places = {
        instance.id: Place(id=instance.id, network=instance.network, resolvers=("169.254.169.253",), hostname="host")
        for instance in records.all(Instance)
    }
    return Topology(revision=records.revision, region="us-west-2", vpcs={}, instances=places, services=(), listeners=())


class FakeNetwork:
    def __init__(self) -> None:
        self.applied: list[Topology] = []
        self.failing = 0

    async def apply(self, topology: Topology) -> None:
        await asyncio.sleep(0)
        if self.failing:
            self.failing -= 1
            raise RuntimeError("the kernel said no")
        self.applied.append(topology)

    async def find_drift(self) -> tuple[str, ...]:
        return ()

    def open_socket(self, namespace: str, kind: int, family: int = socket.AF_INET) -> socket.socket:
        return socket.socket(family, kind)

    def can_encrypt(self) -> bool:
        return True

    def namespace_path(self, namespace: str) -> Path:
        return Path("/run/netns") / namespace


class NoTransfers(Transfers):
    """For a client that moves nothing large."""

    def __init__(self) -> None:
        super().__init__(self._refuse, Path("/nowhere"))

    async def _refuse(self, host: str) -> socket.socket:
        raise AssertionError(f"`{host}` was to be reached by a process")


class FakeListeners:
    async def apply(self, topology: Topology) -> None:
        await asyncio.sleep(0)


class FakeLogs:
    def __init__(self) -> None:
        self.followed: dict[Path, str] = {}
        self.finished: list[Path] = []

    def follow(self, path: Path, account: str, region: str, group: str, stream: str) -> None:
        self.followed[path] = f"{group} {stream}"

    async def finish(self, path: Path) -> None:
        self.finished.append(path)


class FakeTraffic:
    """`under_way`: instance -> requests; a test takes them away and calls `end`."""

    def __init__(self) -> None:
        self.under_way: dict[str, int] = {}
        self._ended = asyncio.Event()

    def outstanding(self, instance_id: str) -> int:
        return self.under_way.get(instance_id, 0)

    async def drained(self, instance_id: str) -> None:
        while self.outstanding(instance_id):
            await self._ended.wait()

    def end(self, instance_id: str) -> None:
        del self.under_way[instance_id]
        self._ended.set()
        self._ended = asyncio.Event()


class FakeImages:
    def resolve(self, name: str) -> Image | None:
        return None if "missing" in name else Image(name=name, digest="sha256:" + "0" * 64, rootfs=Path("/"))

    async def adopt(self, name: str, lay_out: Callable[[Path], None]) -> Image:
        raise AssertionError(f"nothing of `{name}` was pushed")


@dataclass
class Session:
    principal: Principal
    access_key_id: str = "ASIAEXAMPLE"
    secret_access_key: str = "secret"
    session_token: str = "token"
    expiration: datetime = NOW + timedelta(hours=1)


@dataclass
class FakeCaller:
    """EC2's part in a launch: two subnets in two zones, one address at a time."""

    store: Store
    free: dict[str, int] = field(default_factory=lambda: {"subnet-a": 10, "subnet-b": 10})
    denied: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    def acting_for(self, purpose: str) -> "FakeCaller":
        return self

    def assume(
        self, role_arn: str, session_name: str, services: tuple[str, ...] = (), source_arn: str | None = None
    ) -> Session:
        if "sts:AssumeRole" in self.denied:
            raise ServiceError("AccessDenied", "no", 403)
        return Session(
            Principal(
                kind="role",
                account="123456789012",
                arn=f"arn:aws:sts::123456789012:assumed-role/exec/{session_name}",
                id=f"AROAEXAMPLE:{session_name}",
                role_arn=role_arn,
            )
        )

    def call(self, principal: Principal, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(operation)
        if f"{service}:{operation}" in self.denied:
            raise ServiceError("UnauthorizedOperation", "You are not authorized to perform this operation.", 403)
        if operation in _LOOKS:
            return _LOOKS[operation]
        with self.store.transaction() as records:
            return getattr(self, f"_{operation}")(records, principal, request)

    def _DescribeSubnets(self, records: Any, principal: Principal, request: dict[str, Any]) -> dict[str, Any]:
        return {
            "Subnets": [
                {
                    "SubnetId": id,
                    "VpcId": "vpc-1",
                    "AvailableIpAddressCount": self.free[id],
                    "AvailabilityZone": f"us-west-2{id[-1]}",
                }
                for id in request["SubnetIds"]
            ]
        }

    def _CreateNetworkInterface(self, records: Any, principal: Principal, request: dict[str, Any]) -> dict[str, Any]:
        number = len(records.all(NetworkInterface))
        self.free[request["SubnetId"]] -= 1
        records.put(
            NetworkInterface(
                id=f"eni-{number}-{len(self.calls)}",
                account="123456789012",
                region="us-west-2",
                vpc_id="vpc-1",
                subnet_id=request["SubnetId"],
                availability_zone=f"us-west-2{request['SubnetId'][-1]}",
                private_ip=f"10.0.0.{number + 4}",
                mac="02:00:00:00:00:01",
                group_ids=tuple(request["Groups"]),
                description=request["Description"],
                requester_id=principal.id,
            )
        )
        return {"NetworkInterface": {"NetworkInterfaceId": f"eni-{number}-{len(self.calls)}"}}

    def _CreateNetworkInterfacePermission(
        self, records: Any, principal: Principal, request: dict[str, Any]
    ) -> dict[str, Any]:
        records.put(
            NetworkInterfacePermission(
                id=f"eni-perm-{request['NetworkInterfaceId']}",
                account="123456789012",
                region="us-west-2",
                network_interface_id=request["NetworkInterfaceId"],
                aws_account_id=request["AwsAccountId"],
                aws_service=None,
                permission=request["Permission"],
            )
        )
        return {}

    def _DeleteNetworkInterfacePermission(
        self, records: Any, principal: Principal, request: dict[str, Any]
    ) -> dict[str, Any]:
        records.delete(records.get(NetworkInterfacePermission, request["NetworkInterfacePermissionId"]))
        return {}

    def _DeleteNetworkInterface(self, records: Any, principal: Principal, request: dict[str, Any]) -> dict[str, Any]:
        records.delete(records.get(NetworkInterface, request["NetworkInterfaceId"]))
        return {}


class PingDriver(FakeDriver):
    """Containers that answer /ping, with 500 if the image's name says so: all through one real server."""

    async def start(self, spec: ContainerSpec) -> None:
        await super().start(spec)
        self.sick = "sick" in spec.image.name


class Machine:
    """One state directory; `daemon()` is a life of the daemon on it. The driver outlives daemons, as containers do."""

    def __init__(self, directory: Path) -> None:
        self.config = Config(state=directory)
        self.store = open_store(directory)
        self.driver: Any = PingDriver()
        self.driver.sick = False
        self.network: Any = FakeNetwork()
        self.logs: Any = FakeLogs()
        self.images: Images = FakeImages()
        self.listeners = FakeListeners()
        self.compile: Compile = compile_network
        self.caller = FakeCaller(self.store)
        self.traffic = FakeTraffic()
        self.executions = Executions()
        self.pace = Pace()
        self.measurements = Measurements()

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Reconciler]:
        parts = Parts(
            config=self.config,
            store=self.store,
            network=self.network,
            driver=self.driver,
            images=self.images,
            caller=self.caller,
            logs=self.logs,
            edge=SystemEdge(),
            applied=Applied(),
            traffic=self.traffic,
            executions=self.executions,
        )
        reconciler, self.models = make_reconciler(
            parts,
            compile=self.compile,
            listeners=self.listeners,
            blobs=BlobStore(self.config.blobs),
            measurements=self.measurements,
            captures=CaptureBuffer(),
            pace=self.pace,
        )
        run = asyncio.create_task(reconciler.run())
        try:
            await asyncio.wait_for(reconciler.settled.wait(), SECONDS)
            yield reconciler
        finally:
            await reconciler.stop()
            await run

    def want(
        self, *variants: Variant, name: str = "ep", generation: int = 1, deployment: dict[str, Any] | None = None
    ) -> Endpoint:
        endpoint = Endpoint(
            name=name,
            account="123456789012",
            region="us-west-2",
            arn=f"arn:aws:sagemaker:us-west-2:123456789012:endpoint/{name}",
            created=NOW,
            modified=NOW,
            config_name=f"config-{generation}",
            generation=generation,
            deployment=deployment,
        )
        with self.store.transaction() as records:
            records.put(endpoint)
            records.put(
                Fleet(
                    endpoint_key=endpoint.key,
                    generation=generation,
                    config_name=f"config-{generation}",
                    variants=variants,
                )
            )
        return endpoint

    def status(self, endpoint: Endpoint) -> EndpointStatus | None:
        return self.store.snapshot().get(EndpointStatus, endpoint.key)

    def hosts(self) -> list[HostStatus]:
        return self.store.snapshot().all(HostStatus)

    async def until(self, condition: Any, seconds: float = SECONDS) -> None:
        """Wait for the records to satisfy the condition."""
        async with asyncio.timeout(seconds):
            while not condition():
                with suppress(TimeoutError):  # not all that is waited for makes a new revision
                    await asyncio.wait_for(self.store.wait(self.store.revision), 0.05)

    async def settled(self, endpoint: Endpoint) -> EndpointStatus:
        def condition() -> bool:
            status = self.status(endpoint)
            return status is not None and status.generation == endpoint.generation

        await self.until(condition)
        status = self.status(endpoint)
        assert status is not None
        return status


def variant(**changes: Any) -> Variant:
    given = {
        "name": "AllTraffic",
        "model_name": "model",
        "container": {"Image": IMAGE},
        "role_arn": ROLE,
        "instance_type": "ml.m5.large",
        "count": 1,
        "weight": 1.0,
        "download_timeout": 5,
        "startup_timeout": 5,
    }
    return Variant(**{**given, **changes})


VPC = {"subnet_ids": ("subnet-a", "subnet-b"), "group_ids": ("sg-1",)}

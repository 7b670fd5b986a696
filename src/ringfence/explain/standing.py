"""Where an instance of the model would stand in a subnet: whom it asks for names, and how far its packets get.

Pure; called by explain.checks. What the network does is network.resolve's and network.trace's to say.
"""

from dataclasses import dataclass

from ringfence.core.call import Arrival
from ringfence.core.record import Reader
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.supposed import suppose_interface
from ringfence.network.addresses import PUBLIC_RESOLVER
from ringfence.network.resolve import resolve
from ringfence.network.topology import Topology
from ringfence.network.topology.listener import Vantage
from ringfence.network.topology.vpc import Subnet, Vpc
from ringfence.network.trace import UDP, Packet, Trace, trace
from ringfence.resources import ec2


@dataclass(frozen=True, slots=True)
class Standing:
    """A supposed ENI: `name` in `topology`."""

    topology: Topology
    vpc: Vpc
    subnet: Subnet
    name: str

    @property
    def address(self) -> str:
        return self.vpc.interfaces[self.name].address

    @property
    def vantage(self) -> Vantage | None:
        """Whose answers it gets: those of the first server that answers it; None if none does."""
        for server in self.vpc.name_servers:
            if server in self.vpc.resolvers:
                if self.vpc.dns_support:
                    return Vantage("vpc", self.vpc.id, self.subnet.id)
            elif self.send(server, 53, UDP).delivered:
                return Vantage("internet") if server == PUBLIC_RESOLVER else None
        return None

    @property
    def own_server(self) -> str | None:
        """A name server within reach that is neither Amazon's nor the internet's: its answers are its own matter."""
        others = (one for one in self.vpc.name_servers if one not in (*self.vpc.resolvers, PUBLIC_RESOLVER))
        return next((one for one in others if self.send(one, 53, UDP).delivered), None)

    def look_up(self, host: str) -> str | None:
        """The name's first address, as it is answered here."""
        return self._answer(host, self.vantage)

    def look_up_anyhow(self, host: str) -> str | None:
        """As AWS's own resolvers answer it if nobody answers here: for what is not about names."""
        inside = Vantage("vpc", self.vpc.id, self.subnet.id)
        for vantage in (self.vantage, inside, Vantage("internet")):
            if found := self._answer(host, vantage):
                return found
        return None

    def send(self, destination: str, port: int, protocol: int = 6) -> Trace:
        return trace(self.topology, Packet(self.name, destination, protocol, port))

    def arrival(self, reached: Trace) -> Arrival:
        """What the service's socket would say of a packet that got there."""
        where = reached.reached or ""
        if where in self.vpc.endpoints:
            return Arrival(self.address, self.vpc.id, where, True, f"VPC endpoint {where}")
        nats = [self.vpc.nat_gateways[hop.rule] for hop in reached.forward if hop.rule in self.vpc.nat_gateways]
        public = [self.vpc.interfaces[nat.interface_id].public_address for nat in nats]
        return Arrival(next((one for one in public if one), self.address), tls=True, listener="the internet")

    def _answer(self, host: str, vantage: Vantage | None) -> str | None:
        answer = resolve(self.topology, vantage, host, "A") if vantage else None
        return answer.values[0] if answer and answer.code == "NOERROR" and answer.values else None


def stand_in(topology: Topology, subnet_id: str, groups: tuple[str, ...]) -> Standing | None:
    """None if there is no such subnet."""
    vpc = next((vpc for vpc in topology.vpcs.values() if subnet_id in vpc.subnets), None)
    if vpc is None:
        return None
    supposed, name = suppose_interface(topology, vpc, subnet_id, groups)
    inside = supposed.vpcs[vpc.id]
    return Standing(supposed, inside, inside.subnets[subnet_id], name)


def standings(ground: Ground, plan: Plan) -> tuple[Standing, ...]:
    """One for each subnet that a variant's instances may be put in."""
    found = (stand_in(ground.topology, subnet, groups) for subnets, groups in plan.networks for subnet in subnets)
    return tuple(one for one in found if one is not None)


def vpcs_of(ground: Ground, plan: Plan) -> tuple[Vpc, ...]:
    """The VPCs of the plan, without anything supposed in them."""
    ids = dict.fromkeys(standing.vpc.id for standing in standings(ground, plan))
    return tuple(ground.topology.vpcs[id] for id in ids)


def dhcp_options(records: Reader, vpc_id: str) -> ec2.DhcpOptions | None:
    vpc = records.get(ec2.Vpc, vpc_id)
    return records.get(ec2.DhcpOptions, vpc.dhcp_options_id) if vpc else None

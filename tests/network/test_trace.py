"""The walk of a packet, and what is said about it. That the kernel agrees is tested in tests/net."""

import pytest
from world import REGION, World

from ringfence.network import addresses
from ringfence.network.explain import explain
from ringfence.network.resolve import instance_vantage
from ringfence.network.topology.listener import Vantage
from ringfence.network.trace import UDP, Packet, trace
from ringfence.resources import ec2

FACTS = addresses.service_facts("s3")
assert FACTS is not None
S3 = addresses.public_address(FACTS, REGION)


class Story:
    def __init__(self) -> None:
        self.world = World()
        self.vpc = self.world.vpc()
        self.near = self.world.subnet(self.vpc, "10.0.1.0/24")
        self.far = self.world.subnet(self.vpc, "10.0.2.0/24")
        self.group = self.world.group(self.vpc)
        self.server_group = self.world.group(self.vpc)
        self.client = self.world.instance(self.near, self.group)
        self.server = self.world.instance(self.far, self.server_group, address="10.0.2.9")


@pytest.fixture
def story() -> Story:
    return Story()


def test_ingress_is_closed_until_a_rule_opens_it(story: Story) -> None:
    packet = Packet(story.client.id, "10.0.2.9", port=8080)
    closed = trace(story.world.compile(), packet)
    assert not closed.delivered and closed.deciding.rule == f"ingress {story.server_group.id}"
    said = explain(closed)
    assert "no ingress rule allows it" in said.sentence and story.server_group.id in said.sentence
    assert said.remedy == (
        f"add an ingress rule for TCP 8080 from the sender's security group to {story.server_group.id}"
    )
    rule = story.world.rule(story.server_group, referenced_group_id=story.group.id, port=8080)
    opened = trace(story.world.compile(), packet)
    assert opened.delivered and opened.deciding.rule == rule.id and opened.reached == story.server.id
    assert [hop.stage for hop in opened.forward] == [
        "egress group", "egress ACL", "route", "ingress ACL", "ingress group",
    ]  # fmt: skip
    assert explain(opened).remedy == ""


def test_the_first_matching_rule_decides(story: Story) -> None:
    first = story.world.rule(story.server_group, cidr_ipv4="10.0.0.0/16")
    story.world.rule(story.server_group, cidr_ipv4="0.0.0.0/0")
    assert trace(story.world.compile(), Packet(story.client.id, "10.0.2.9", port=1)).deciding.rule == first.id


def test_interfaces_that_are_not_attached_are_no_members(story: Story) -> None:
    closed = story.world.group(story.vpc, egress=False)
    story.world.rule(closed, egress=True, referenced_group_id=story.server_group.id)
    free = story.world.interface(story.far, story.server_group)
    sender = story.world.instance(story.near, closed)
    topology = story.world.compile()
    assert trace(topology, Packet(sender.id, free.private_ip, port=1)).deciding.rule == f"egress {closed.id}"
    unattached = trace(topology, Packet(free.id, "10.0.1.4", port=1))
    assert not unattached.delivered and unattached.deciding.detail == "is not attached"


@pytest.mark.parametrize(
    ("port", "stage", "delivered"), [(443, "service", True), (80, "service", True), (22, "service", False)]
)
def test_s3_through_the_gateway(story: Story, port: int, stage: str, delivered: bool) -> None:
    without = trace(story.world.compile(), Packet(story.client.id, S3, port=port))
    assert without.deciding.stage == "route" and "gateway endpoint" in explain(without).remedy
    endpoint = story.world.gateway_endpoint(story.vpc, story.world.main_table(story.vpc))
    found = trace(story.world.compile(), Packet(story.client.id, S3, port=port))
    assert (found.deciding.stage, found.delivered) == (stage, delivered)
    assert (found.reached == endpoint.id) == delivered


def test_a_reply_can_be_what_is_stopped(story: Story) -> None:
    story.world.rule(story.server_group, cidr_ipv4="0.0.0.0/0")
    everything = ec2.NetworkAclEntry(number=100, egress=False, protocol="-1", action="allow", cidr="0.0.0.0/0")
    acl = story.world.acl(story.vpc, story.far, entries=(everything,))
    found = trace(story.world.compile(), Packet(story.client.id, "10.0.2.9", port=80))
    assert found.reached == story.server.id and not found.delivered
    assert found.deciding.rule == f"{acl.id}/egress/*"
    said = explain(found)
    assert said.sentence.startswith("the answer to TCP 80") and "ephemeral" in said.remedy


def test_the_resolver(story: Story) -> None:
    topology = story.world.compile()
    assert trace(topology, Packet(story.client.id, "10.0.0.2", UDP, 53)).delivered
    assert trace(topology, Packet(story.client.id, "169.254.169.253", UDP, 53)).delivered
    assert not trace(topology, Packet(story.client.id, "10.0.1.1", UDP, 53)).delivered
    story.world.change(ec2.Vpc, story.vpc.id, dns_support=False)
    off = trace(story.world.compile(), Packet(story.client.id, "10.0.0.2", UDP, 53))
    assert not off.delivered and explain(off).remedy == "turn enableDnsSupport on"


def test_endpoints_do_not_initiate(story: Story) -> None:
    endpoint = story.world.interface_endpoint(story.vpc, [story.near], story.group)
    found = trace(story.world.compile(), Packet(endpoint.network_interface_ids[0], "10.0.2.9", port=80))
    assert found.deciding.rule == endpoint.id and not found.delivered


def test_an_instance_without_network_says_so(story: Story) -> None:
    alone = story.world.instance()
    found = trace(story.world.compile(), Packet(alone.id, "10.0.2.9", port=80))
    assert not found.delivered and "has no network interface" in explain(found).sentence


@pytest.fixture
def notebook(story: Story) -> str:
    """In the VPC, with SageMaker's own network beside its ENI."""
    return story.world.instance(story.near, story.group, direct_internet=True).id


def test_direct_internet_takes_what_is_not_for_the_vpc(story: Story, notebook: str) -> None:
    """A gateway endpoint's prefix list is not looked at: its service is reached over the internet."""
    story.world.gateway_endpoint(story.vpc, story.world.main_table(story.vpc))
    topology = story.world.compile()
    outside = trace(topology, Packet(notebook, S3, port=443))
    assert [hop.stage for hop in outside.forward] == ["platform", "internet"] and outside.reached == "internet"
    inside = trace(topology, Packet(notebook, "10.0.2.9", port=8080))
    assert inside.deciding.rule == f"ingress {story.server_group.id}"
    resolver = trace(topology, Packet(notebook, "10.0.0.2", UDP, 53))
    assert resolver.reached == story.vpc.id


def test_an_app_with_public_internet_only_asks_sagemakers_resolver(story: Story) -> None:
    """Which knows no private name, so that AWS's services are reached over the internet whatever the VPC has."""
    world, resolver = story.world, "100.64.0.2"
    vpc = world.vpc("100.64.0.0/16")
    app = world.instance(
        world.subnet(vpc, "100.64.1.0/24"), world.group(vpc), direct_internet=True, platform_names=True
    )
    topology = world.compile()
    place = topology.instances[app.id]
    assert (place.resolvers, place.search) == ((resolver,), ())
    assert instance_vantage(topology, app.id) == Vantage("platform")
    assert trace(topology, Packet(app.id, resolver, UDP, 53)).reached == "platform"  # though it is the VPC's block
    assert trace(topology, Packet(app.id, resolver, port=80)).deciding.stage == "resolver"


def test_an_app_with_public_internet_only_reaches_its_kernel_gateway(story: Story, notebook: str) -> None:
    world = story.world
    server = world.instance(story.near, story.group, direct_internet=True, platform_names=True, peers=(notebook,))
    topology = world.compile()
    (gateway,) = topology.instances[server.id].peers
    assert gateway == topology.instances[notebook].platform_address
    assert trace(topology, Packet(server.id, gateway, port=8888)).reached == notebook
    back = str(topology.instances[server.id].platform_address)
    assert trace(topology, Packet(notebook, back, port=8888)).deciding.rule == "platform/neighbours"


def test_direct_internet_answers_nobody_outside_the_vpc(story: Story, notebook: str) -> None:
    """The answer would leave by the other interface."""
    world = story.world
    gateway = world.internet_gateway(story.vpc)
    world.route(world.main_table(story.vpc), destination_cidr="0.0.0.0/0", gateway_id=gateway.id)
    world.rule(story.group, cidr_ipv4="0.0.0.0/0")
    interface = next(one for one in world.all(ec2.NetworkInterface) if one.private_ip == "10.0.1.5")
    public = world.elastic_ip(interface.id).public_ip
    host = world.instance(network="internet", public_ip="203.0.113.7")
    found = trace(world.compile(), Packet(host.id, public, port=443))
    assert not found.delivered and found.deciding.rule == f"{notebook}/direct-internet"
    assert (
        "DirectInternetAccess" in explain(found).sentence and "turn DirectInternetAccess off" in explain(found).remedy
    )


def test_direct_internet_keeps_notebooks_apart(story: Story, notebook: str) -> None:
    other = story.world.instance(network="platform")
    topology = story.world.compile()
    address = str(topology.instances[notebook].platform_address)
    assert trace(topology, Packet(other.id, address, port=22)).deciding.rule == "platform/neighbours"
    assert trace(topology, Packet(notebook, address, port=22)).delivered  # itself

"""Records -> topology: precedence, what is left out, who is attached to what, which sockets."""

from collections.abc import Callable
from ipaddress import ip_address

import pytest
from world import REGION, World

from ringfence.network import addresses
from ringfence.network.compile import Memory, NetworkSettings, compile_topology
from ringfence.network.topology.filter import GroupRule, Match
from ringfence.network.topology.route import Route
from ringfence.resources import ec2
from ringfence.resources.instance import Instance

PREFIX_LIST = "pl-68a54001"


def test_routes_most_specific_first_and_local_and_cidr_before_prefix_list() -> None:
    world = World()
    vpc = world.vpc()
    table = world.main_table(vpc)
    endpoint = world.gateway_endpoint(vpc, table)
    first, second = addresses.prefix_list_cidrs(REGION, PREFIX_LIST)
    world.route(table, destination_cidr=second, nat_gateway_id="nat-1")
    world.route(table, destination_cidr="0.0.0.0/0", gateway_id="igw-1")
    world.route(table, destination_cidr="10.0.9.7/24", network_interface_id="eni-1")
    world.route(table, destination_cidr="10.0.0.0/16", nat_gateway_id="nat-1")
    world.route(table, destination_cidr="::/0", gateway_id="igw-1")
    assert world.compile().vpcs[vpc.id].route_tables[table.id].routes == (
        Route(first, "endpoint", endpoint.id, PREFIX_LIST),
        Route(second, "blackhole", "nat-1"),
        Route("10.0.9.0/24", "blackhole", "eni-1"),
        Route("10.0.0.0/16", "local", "local"),
        Route("0.0.0.0/0", "blackhole", "igw-1"),
    )


def test_the_route_of_an_endpoint_that_is_gone_leads_nowhere() -> None:
    world = World()
    vpc = world.vpc()
    endpoint = world.gateway_endpoint(vpc, world.main_table(vpc))
    world.change(ec2.VpcEndpoint, endpoint.id, deleting=True)
    topology = world.compile()
    routes = topology.vpcs[vpc.id].route_tables[world.main_table(vpc).id].routes
    assert {route.kind for route in routes} == {"local", "blackhole"}
    assert endpoint.id not in {listener.namespace for listener in topology.listeners}


def test_group_rules() -> None:
    world = World()
    vpc, other = world.vpc(), world.vpc()
    group, stranger = world.group(vpc, egress=False), world.group(other)
    made = [
        world.rule(group, protocol="tcp", from_port=80, to_port=90, cidr_ipv4="10.0.0.9/16"),
        world.rule(group, protocol="tcp", from_port=0, to_port=65535, prefix_list_id=PREFIX_LIST),
        world.rule(group, protocol="icmp", from_port=8, to_port=-1, referenced_group_id=group.id),
        world.rule(group, protocol="50", cidr_ipv4="0.0.0.0/0"),
        world.rule(group, cidr_ipv6="::/0"),
        world.rule(group, referenced_group_id=stranger.id),
        world.rule(group, prefix_list_id="pl-00000000"),
    ]
    ids = [rule.id for rule in made]
    assert world.compile().vpcs[vpc.id].groups[group.id].ingress == (
        GroupRule(ids[0], Match(6, (80, 90)), ("10.0.0.0/16",)),
        GroupRule(ids[1], Match(6), ("198.18.4.0/25",), prefix_list_id=PREFIX_LIST),
        GroupRule(ids[2], Match(1, None, 8), (), group.id),
        GroupRule(ids[3], Match(50), ("0.0.0.0/0",)),
    )


def test_prefix_lists_of_ones_own() -> None:
    """In rules their blocks without overlaps; in routes one each, but for what no route could lead to."""
    world = World()
    vpc = world.vpc()
    world.subnet(vpc, "10.0.1.0/24")
    mine = world.prefix_list("203.0.113.0/24", "203.0.113.64/26", "10.0.1.0/24", "192.0.2.0/24", "169.254.169.0/24")
    empty, six = world.prefix_list(), world.prefix_list("2001:db8::/32", address_family="IPv6")
    group = world.group(vpc, egress=False)
    rules = [world.rule(group, prefix_list_id=one.id) for one in (mine, empty, six)]
    gateway = world.internet_gateway(vpc)
    table = world.main_table(vpc)
    world.route(table, destination_prefix_list_id=mine.id, gateway_id=gateway.id)
    world.route(table, destination_cidr="192.0.2.0/24", nat_gateway_id="nat-0")
    compiled = world.compile().vpcs[vpc.id]
    peers = ("10.0.1.0/24", "169.254.169.0/24", "192.0.2.0/24", "203.0.113.0/24")
    assert compiled.groups[group.id].ingress == (GroupRule(rules[0].id, Match(), peers, prefix_list_id=mine.id),)
    assert compiled.route_tables[table.id].routes == (
        Route("203.0.113.64/26", "internet", gateway.id, mine.id),
        Route("192.0.2.0/24", "blackhole", "nat-0"),
        Route("203.0.113.0/24", "internet", gateway.id, mine.id),
        Route("10.0.0.0/16", "local", "local"),
    )


def test_acl_entries_by_number_without_the_last() -> None:
    world = World()
    vpc = world.vpc()
    subnet = world.subnet(vpc, "10.0.1.0/24")
    entries = tuple(
        ec2.NetworkAclEntry(number=number, egress=True, action=action, protocol="-1", cidr="0.0.0.0/0")
        for number, action in [(200, "deny"), (32767, "deny"), (100, "allow")]
    )
    acl = world.acl(vpc, subnet, entries=entries)
    compiled = world.compile().vpcs[vpc.id]
    assert compiled.subnets[subnet.id].network_acl_id == acl.id
    assert [entry.id for entry in compiled.acls[acl.id].egress] == [f"{acl.id}/egress/100", f"{acl.id}/egress/200"]
    assert compiled.acls[acl.id].ingress == ()


def test_a_subnet_without_table_and_acl_is_closed() -> None:
    world = World()
    vpc = world.vpc()
    world.delete(world.main_table(vpc))
    for acl in world.all(ec2.NetworkAcl):
        world.delete(acl)
    subnet = world.subnet(vpc, "10.0.1.0/24")
    compiled = world.compile().vpcs[vpc.id]
    assert compiled.route_tables[compiled.subnets[subnet.id].route_table_id].routes == ()
    assert compiled.acls[compiled.subnets[subnet.id].network_acl_id].egress == ()


def test_instances() -> None:
    world = World()
    vpc = world.vpc()
    subnet = world.subnet(vpc, "10.0.1.0/24")
    inside = world.instance(subnet, world.group(vpc), role_arn="arn:aws:iam::1:role/r", isolated=True)
    lost = world.instance(network="vpc", network_interface_id="eni-gone")
    platform, host = world.instance(network="platform"), world.instance(network="internet", public_ip="203.0.113.7")
    found = world.compile().instances
    place = found[inside.id]
    assert (place.address, place.prefix_length, place.gateway) == ("10.0.1.4", 24, "10.0.1.1")
    assert (place.resolvers, place.search) == (("10.0.0.2",), (f"{REGION}.compute.internal",))
    assert place.hostname == f"ip-10-0-1-4.{REGION}.compute.internal" and place.isolated and place.credentials
    assert found[lost.id].network == "none" and found[lost.id].address is None
    assert ip_address(str(found[platform.id].address)) in addresses.PLATFORM_RANGE
    assert found[platform.id].resolvers == (addresses.PLATFORM_RESOLVER,)
    assert (found[host.id].address, found[host.id].gateway) == ("203.0.113.7", addresses.INTERNET_ROUTER)


@pytest.mark.parametrize("address", ["198.18.4.10", "10.0.0.5", "169.254.1.1", "224.0.0.1", addresses.PLATFORM_PUBLIC])
def test_nobody_takes_an_address_that_is_not_a_hosts(address: str) -> None:
    world = World()
    host = world.instance(network="internet", public_ip=address)
    assert world.compile().instances[host.id].address is None


def test_a_second_interface_has_no_address_of_the_vpc() -> None:
    world = World()
    vpc = world.vpc("10.0.0.0/16", secondary_cidrs=(("vpc-cidr-assoc-1", "100.64.0.0/16"),))
    subnet = world.subnet(vpc, "10.0.1.0/24")
    made = [world.instance(subnet, world.group(vpc), direct_internet=True) for _ in range(100)]
    found = [world.compile().instances[one.id].direct for one in made]
    taken = {one.address for one in found if one is not None}
    assert len(taken) == 100 and not any(address.startswith("100.64.") for address in taken)
    assert found[0] is not None and found[0].inside == ("10.0.0.0/16", "100.64.0.0/16", "169.254.0.0/16")


def test_two_hosts_never_share_an_address() -> None:
    world = World()
    hosts = [world.instance(network="internet", public_ip="203.0.113.7") for _ in range(2)]
    hosts += [world.instance(network="internet") for _ in range(200)]
    platform = [world.instance(network="platform") for _ in range(200)]
    found = world.compile().instances
    for group, count in ((hosts, 201), (platform, 200)):
        assert len({found[one.id].address for one in group if found[one.id].address}) == count


def test_platform_addresses_stay_when_others_go() -> None:
    world = World()
    hosts = [world.instance(network="platform") for _ in range(50)]
    before = world.compile().instances
    for host in hosts[::2]:
        world.delete(host)
    after = world.compile().instances
    assert all(after[host.id].address == before[host.id].address for host in hosts[1::2])


def test_custom_resolvers_of_the_dhcp_options() -> None:
    world = World()
    vpc = world.vpc()
    instance = world.instance(world.subnet(vpc, "10.0.1.0/24"), world.group(vpc))
    options = {"domain-name-servers": ("10.0.1.20", "AmazonProvidedDNS")}
    world.change(ec2.DhcpOptions, vpc.dhcp_options_id, options=options)
    place = world.compile().instances[instance.id]
    assert place.resolvers == ("10.0.1.20", "10.0.0.2") and place.search == ()
    world.change(ec2.Vpc, vpc.id, dhcp_options_id="default")
    assert world.compile().instances[instance.id].resolvers == ()


def test_listeners() -> None:
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
    gateway = world.gateway_endpoint(vpc, world.main_table(vpc))
    interface = world.interface_endpoint(vpc, [subnet], group)
    instance = world.instance(subnet, group, role_arn="arn:aws:iam::1:role/r")
    found = {one.name: one for one in world.compile().listeners}
    assert len(found) == len(world.compile().listeners)
    s3 = found[f"{gateway.id}/443"]
    assert (s3.namespace, s3.vpc_id, s3.vpce_id, s3.tls) == (gateway.id, vpc.id, gateway.id, True)
    assert f"*.s3.{REGION}.amazonaws.com" in s3.server_names
    assert found[f"{gateway.id}/80"].tls is False
    api = found[f"{interface.id}/{interface.network_interface_ids[0]}"]
    assert (api.address, api.port, api.vpce_id) == ("10.0.1.4", 443, interface.id)
    assert f"runtime.sagemaker.{REGION}.amazonaws.com" in api.server_names
    assert f"{interface.id}-abcd1234.runtime.sagemaker.{REGION}.vpce.amazonaws.com" in api.server_names
    public = found[f"internet/s3/{REGION}/443"]
    assert public.address == s3.address and public.vpc_id is None and public.vpce_id is None
    assert found[f"{instance.id}/credentials"].address == addresses.CREDENTIALS_ADDRESS
    assert {"10.0.0.2", "169.254.169.253"} == {one.address for one in found.values() if one.namespace == vpc.id}


def test_interfaces_belong_to_who_has_them() -> None:
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc)
    instance = world.instance(subnet, group)
    endpoint = world.interface_endpoint(vpc, [subnet], group)
    free = world.interface(subnet, group)
    found = world.compile().vpcs[vpc.id].interfaces
    assert found[str(instance.network_interface_id)].namespace == instance.id
    assert found[endpoint.network_interface_ids[0]].namespace == endpoint.id
    assert found[free.id].namespace is None
    world.put(Instance(**{name: getattr(instance, name) for name in instance.__struct_fields__} | {"network": "none"}))
    assert world.compile().vpcs[vpc.id].interfaces[str(instance.network_interface_id)].namespace is None


def test_a_memory_changes_nothing() -> None:
    """Whatever comes, goes or changes: the same topology, and of what did not change the same objects."""
    world, memory = World(), Memory()
    vpc = world.vpc()
    groups = [world.group(vpc) for _ in range(3)]
    rule = world.rule(groups[0], referenced_group_id=groups[1].id)
    settings = NetworkSettings(REGION)
    kept = compile_topology(world, settings, memory).vpcs[vpc.id].groups[groups[2].id]
    changes: list[Callable[[], object]] = [
        lambda: world.rule(groups[0], port=443),
        lambda: world.change(ec2.SecurityGroupRule, rule.id, description="-"),
        lambda: world.delete(groups[1]),
        lambda: world.put(groups[1]),
        lambda: world.delete(rule),
        lambda: world.change(ec2.SecurityGroup, groups[0].id, name="other"),
    ]
    for change in changes:
        change()
        found = compile_topology(world, settings, memory)
        assert found == compile_topology(world, settings)
        assert found.vpcs[vpc.id].groups[groups[2].id] is kept

"""Hosted zones as resolvers see them: precedence, NXDOMAIN, wildcards, CNAMEs, aliases."""

from typing import Any

import pytest
from world import OWNED, REGION, World

from ringfence.network.resolve import Answer, resolve
from ringfence.network.topology import Topology
from ringfence.network.topology.listener import Vantage
from ringfence.resources import ec2, route53

RUNTIME = f"runtime.sagemaker.{REGION}.amazonaws.com"
SOA = "ns-0.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"


def zone(world: World, name: str, *vpcs: ec2.Vpc, **records: Any) -> route53.HostedZone:
    """A zone with its SOA; `A_www=("10.0.0.1",)` is a record set, `A=` one of the apex."""
    made = world.put(
        route53.HostedZone(
            id=world.id("Z"), account=OWNED["account"], name=f"{name}.", caller_reference=name, private=bool(vpcs),
            vpcs=tuple((vpc.region, vpc.id) for vpc in vpcs),
        )
    )  # fmt: skip
    record(world, made, name, "SOA", SOA, ttl=900)
    for key, values in records.items():
        kind, _, label = key.partition("_")
        record(world, made, f"{label.replace('_', '.')}.{name}".lstrip("."), kind, *values)
    return made


def record(world: World, zone: route53.HostedZone, name: str, kind: str, *values: str, **fields: Any) -> None:
    fields = {"ttl": 300, **fields}
    world.put(route53.ResourceRecordSet(zone_id=zone.id, name=f"{name}.", type=kind, values=values, **fields))


def ask(topology: Topology, vpc: ec2.Vpc | None, name: str, kind: str = "A") -> Answer:
    return resolve(topology, Vantage("vpc", vpc.id) if vpc else Vantage("internet"), name, kind)


def test_a_private_zone_answers_its_vpcs_and_nobody_else() -> None:
    world = World()
    vpc, other = world.vpc(), world.vpc()
    made = zone(world, "corp.example", vpc, A_www=("10.0.0.1", "10.0.0.2"))
    topology = world.compile()
    found = ask(topology, vpc, "WWW.corp.example.")
    assert (found.values, found.ttl, found.source) == (("10.0.0.1", "10.0.0.2"), 300, made.id)
    assert ask(topology, other, "www.corp.example").code == "NXDOMAIN"
    assert ask(topology, None, "www.corp.example").code == "NXDOMAIN"


@pytest.mark.parametrize("off", ["dns_hostnames", "dns_support"])
def test_a_private_zone_needs_both_attributes(off: str) -> None:
    world = World()
    vpc = world.vpc(**{off: False})
    zone(world, "example.com", vpc, A_www=("10.0.0.1",))
    found = ask(world.compile(), vpc, "www.example.com")
    assert found.source == "internet" if off == "dns_hostnames" else found.code == "REFUSED"


def test_a_private_zone_shadows_the_public_name_even_where_it_has_no_record() -> None:
    world = World()
    vpc = world.vpc()
    made = zone(world, "example.com", vpc, A_db=("10.0.0.1",), TXT=('"x"',))
    topology = world.compile()
    missing = ask(topology, vpc, "www.example.com")
    assert (missing.code, missing.source, missing.soa) == ("NXDOMAIN", made.id, (SOA, 900))
    nodata = ask(topology, vpc, "example.com")
    assert (nodata.code, nodata.values) == ("NOERROR", ())
    assert ask(topology, None, "www.example.com").values


def test_the_most_specific_zone_wins() -> None:
    world = World()
    vpc = world.vpc()
    zone(world, "example.com", vpc, A_x_inner=("10.0.0.1",), A_y=("10.0.0.2",))
    inner = zone(world, "inner.example.com", vpc, A_z=("10.0.0.3",))
    topology = world.compile()
    assert ask(topology, vpc, "z.inner.example.com").values == ("10.0.0.3",)
    assert ask(topology, vpc, "y.example.com").values == ("10.0.0.2",)
    final = ask(topology, vpc, "x.inner.example.com")
    assert (final.code, final.source) == ("NXDOMAIN", inner.id)


def test_own_zones_beside_private_dns_of_endpoints() -> None:
    """The more specific of the two decides, whoever made it."""
    world = World()
    vpc = world.vpc()
    endpoint = world.interface_endpoint(vpc, [world.subnet(vpc, "10.0.1.0/24")], world.group(vpc))
    zone(world, "amazonaws.com", vpc, **{"A_*": ("10.9.9.9",)})
    below = zone(world, f"x.{RUNTIME}", vpc, A=("10.0.0.7",))
    topology = world.compile()
    assert ask(topology, vpc, RUNTIME).source == endpoint.id
    assert ask(topology, vpc, f"sts.{REGION}.amazonaws.com").values == ("10.9.9.9",)
    assert ask(topology, vpc, f"x.{RUNTIME}").source == below.id


def test_own_names_of_the_vpc_beside_own_zones() -> None:
    world = World()
    vpc = world.vpc()
    subnet = world.subnet(vpc, "10.0.1.0/24")
    world.instance(subnet, address="10.0.1.5")
    zone(world, "internal", vpc, A_db=("10.0.0.1",))
    zone(world, "10.in-addr.arpa", vpc, PTR_9_9_0=("nine.internal",), PTR_5_1_0=("five.internal",))
    topology = world.compile()
    assert ask(topology, vpc, f"ip-10-0-1-5.{REGION}.compute.internal").values == ("10.0.1.5",)
    assert ask(topology, vpc, "db.internal").values == ("10.0.0.1",)
    assert ask(topology, vpc, "9.9.0.10.in-addr.arpa", "PTR").values == ("nine.internal",)
    assert ask(topology, vpc, "5.1.0.10.in-addr.arpa", "PTR").values[0].startswith("ip-10-0-1-5.")
    zone(world, "1.0.10.in-addr.arpa", vpc, PTR_5=("five.internal",))
    assert ask(world.compile(), vpc, "5.1.0.10.in-addr.arpa", "PTR").values == ("five.internal",)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x.w.example.org", ("10.0.0.1",)),
        ("a.b.w.example.org", ("10.0.0.1",)),
        ("own.w.example.org", ()),  # it exists, of another type
        ("y.deep.w.example.org", None),  # deep.w exists, without a wildcard of its own
        ("deep.w.example.org", ()),
        ("w.example.org", ()),
        ("*.w.example.org", ("10.0.0.1",)),
        ("other.example.org", None),
    ],
)
def test_wildcards(name: str, values: tuple[str, ...] | None) -> None:
    world = World()
    vpc = world.vpc()
    made = zone(world, "example.org", vpc, TXT_own_w=('"t"',), A_x_deep_w=("10.0.0.2",))
    record(world, made, "\\052.w.example.org", "A", "10.0.0.1")
    found = ask(world.compile(), vpc, name)
    assert found.code == ("NXDOMAIN" if values is None else "NOERROR")
    assert found.values == (values or ())


def test_cnames_are_followed_within_what_is_visible() -> None:
    world = World()
    vpc = world.vpc()
    first = zone(
        world, "a.test", vpc, CNAME_www=("Web.B.test.",), CNAME_out=("example.com",), CNAME_no=("gone.b.test",)
    )
    zone(world, "b.test", vpc, A_web=("10.0.0.8",))
    topology = world.compile()
    found = ask(topology, vpc, "www.a.test")
    assert found.values == ("10.0.0.8",) and found.name == "web.b.test"
    assert [(link.name, link.target, link.ttl, link.source) for link in found.links] == [
        ("www.a.test", "web.b.test", 300, first.id)
    ]
    assert ask(topology, vpc, "out.a.test").source == "internet"
    gone = ask(topology, vpc, "no.a.test")
    assert gone.code == "NXDOMAIN" and len(gone.links) == 1 and gone.zone == "b.test"
    assert ask(topology, vpc, "www.a.test", "CNAME").values == ("Web.B.test.",)
    assert ask(topology, vpc, "www.a.test", "TXT").values == ()


def test_cnames_in_a_circle_fail() -> None:
    world = World()
    vpc = world.vpc()
    zone(world, "a.test", vpc, CNAME_x=("y.a.test",), CNAME_y=("x.a.test",))
    assert ask(world.compile(), vpc, "x.a.test").code == "SERVFAIL"


def test_apex_and_other_types() -> None:
    world = World()
    vpc = world.vpc()
    zone(
        world, "a.test", vpc, MX=("10 mail.a.test",), NS=("ns-0.awsdns-00.com.",), SRV__ldap__tcp=("0 5 389 l.a.test",)
    )
    topology = world.compile()
    assert ask(topology, vpc, "a.test", "SOA").values == (SOA,)
    assert ask(topology, vpc, "a.test", "NS").values == ("ns-0.awsdns-00.com.",)
    assert ask(topology, vpc, "a.test", "MX").values == ("10 mail.a.test",)


@pytest.mark.statement("S1.13")
@pytest.mark.parametrize("apex", [True, False])
def test_a_zone_of_ones_own_leads_the_apis_name_to_the_endpoint(apex: bool) -> None:
    """`api.sagemaker.<region>.amazonaws.com` is the endpoint without the endpoint's private DNS."""
    world = World()
    vpc, peer = world.vpc(), world.vpc("10.1.0.0/16")
    subnets = [world.subnet(vpc, "10.0.1.0/24", "a"), world.subnet(vpc, "10.0.2.0/24", "b")]
    endpoint = world.interface_endpoint(vpc, subnets, world.group(vpc), service="sagemaker.api", private_dns=False)
    regional = world.compile().vpcs[vpc.id].endpoints[endpoint.id].regional_name
    name = f"api.sagemaker.{REGION}.amazonaws.com"
    if apex:
        made = zone(world, name, vpc, peer)
        alias = route53.AliasTarget(hosted_zone_id="Z1YSA3EXCYUU9Z", dns_name=regional)
        world.put(route53.ResourceRecordSet(zone_id=made.id, name=f"{name}.", type="A", alias=alias))
    else:
        zone(world, f"sagemaker.{REGION}.amazonaws.com", vpc, peer, CNAME_api=(regional,))
    topology = world.compile()
    for inside in (vpc, peer):
        found = ask(topology, inside, name)
        assert found.values == ("10.0.1.4", "10.0.2.4")
        assert found.endpoint == endpoint.id if apex else found.source == endpoint.id
    assert ask(topology, vpc, name, "AAAA").values == ()
    assert ask(topology, None, name).values != found.values
    world.delete(world.get(ec2.VpcEndpoint, endpoint.id) or endpoint)
    assert ask(world.compile(), vpc, name).values == ()


def test_aliases_within_a_zone_and_in_a_circle() -> None:
    world = World()
    vpc = world.vpc()
    made = zone(world, "a.test", vpc, A_b=("10.0.0.1",))
    for name, target in (("a.test", "b.a.test"), ("x.a.test", "y.a.test"), ("y.a.test", "x.a.test")):
        alias = route53.AliasTarget(hosted_zone_id=made.id, dns_name=target)
        record(world, made, name, "A", alias=alias)
    topology = world.compile()
    assert ask(topology, vpc, "a.test").values == ("10.0.0.1",)
    assert ask(topology, vpc, "x.a.test").values == ()


def test_public_zones_answer_everybody_below_private_ones_and_aws() -> None:
    world = World()
    vpc = world.vpc()
    zone(world, "shop.test", A_www=("203.0.113.9",))
    zone(world, "com", A_example=("203.0.113.9",))
    topology = world.compile()
    assert ask(topology, None, "www.shop.test").values == ("203.0.113.9",)
    assert ask(topology, vpc, "www.shop.test").values == ("203.0.113.9",)
    assert resolve(topology, Vantage("platform"), "www.shop.test", "A").values == ("203.0.113.9",)
    assert ask(topology, None, "example.com").source == "internet"
    zone(world, "shop.test", vpc, A=("10.0.0.1",))
    assert ask(world.compile(), vpc, "www.shop.test").code == "NXDOMAIN"

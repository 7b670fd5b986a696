"""What names answer, from each vantage."""

import pytest
from world import REGION, World

from ringfence.network import addresses
from ringfence.network.resolve import resolve, stand
from ringfence.network.topology.listener import Vantage

RUNTIME = f"runtime.sagemaker.{REGION}.amazonaws.com"
OUTSIDE = Vantage("internet")


def public(service: str) -> tuple[str, ...]:
    facts = addresses.service_facts(service)
    assert facts is not None
    return (addresses.public_address(facts, REGION),)


@pytest.mark.statement("S2.12", "S2.13")
def test_private_dns_answers_inside_and_only_inside() -> None:
    world = World()
    vpc, other = world.vpc(), world.vpc()
    subnets = [world.subnet(vpc, "10.0.1.0/24", "a"), world.subnet(vpc, "10.0.2.0/24", "b")]
    endpoint = world.interface_endpoint(vpc, subnets, world.group(vpc))
    topology = world.compile()
    inside = resolve(topology, Vantage("vpc", vpc.id), RUNTIME.upper() + ".", "A")
    assert inside.values == ("10.0.1.4", "10.0.2.4") and inside.source == endpoint.id
    assert resolve(topology, Vantage("vpc", other.id), RUNTIME, "A").values == public("sagemaker.runtime")
    assert resolve(topology, OUTSIDE, RUNTIME, "A").values == public("sagemaker.runtime")
    assert resolve(topology, Vantage("vpc", vpc.id), RUNTIME, "AAAA").code == "NOERROR"
    assert resolve(topology, Vantage("vpc", vpc.id), RUNTIME, "AAAA").values == ()
    # the endpoint's zone is final for what is under it
    assert resolve(topology, Vantage("vpc", vpc.id), f"x.{RUNTIME}", "A").code == "NXDOMAIN"


@pytest.mark.statement("S2.9", "S2.11")
@pytest.mark.parametrize("fields", [{"dns_hostnames": False}, {}])
def test_without_private_dns_the_name_is_public(fields: dict[str, bool]) -> None:
    world = World()
    vpc = world.vpc(**fields)
    world.interface_endpoint(vpc, [world.subnet(vpc, "10.0.1.0/24")], world.group(vpc), private_dns=bool(fields))
    topology = world.compile()
    assert resolve(topology, Vantage("vpc", vpc.id), RUNTIME, "A").values == public("sagemaker.runtime")


def test_endpoint_names_are_public_with_private_addresses() -> None:
    world = World()
    vpc = world.vpc()
    subnets = [world.subnet(vpc, "10.0.1.0/24", "a"), world.subnet(vpc, "10.0.2.0/24", "b")]
    endpoint = world.interface_endpoint(vpc, subnets, world.group(vpc), private_dns=False)
    topology = world.compile()
    regional, zonal = topology.vpcs[vpc.id].endpoints[endpoint.id].regional_name, f"{REGION}b"
    assert regional == f"{endpoint.id}-abcd1234.runtime.sagemaker.{REGION}.vpce.amazonaws.com"
    assert resolve(topology, OUTSIDE, regional, "A").values == ("10.0.1.4", "10.0.2.4")
    name = regional.replace("-abcd1234", f"-abcd1234-{zonal}")
    assert resolve(topology, OUTSIDE, name, "A").values == ("10.0.2.4",)
    assert resolve(topology, OUTSIDE, "vpce-1." + regional, "A").code == "NXDOMAIN"


@pytest.mark.statement("S0.35")
@pytest.mark.parametrize(
    "name",
    [
        f"s3.{REGION}.amazonaws.com",
        f"my.dotted.bucket.s3.{REGION}.amazonaws.com",
        f"s3-{REGION}.amazonaws.com",
        f"bucket.s3.dualstack.{REGION}.amazonaws.com",
        "s3.amazonaws.com",
        "bucket.s3.amazonaws.com",
    ],
)
def test_s3_names(name: str) -> None:
    topology = World().compile()
    assert resolve(topology, OUTSIDE, name, "A").values == public("s3")


def test_unknown_names_do_not_exist() -> None:
    topology = World().compile()
    for name in ("nobody.example.com", "api.sagemaker.eu-west-9.amazonaws.com", "x.vpce.amazonaws.com", "", "com"):
        assert resolve(topology, OUTSIDE, name, "A").code == "NXDOMAIN"
    assert resolve(topology, OUTSIDE, "example.com", "A").values == (addresses.EXAMPLE_ADDRESS,)


def test_instances_have_names_both_ways() -> None:
    world = World()
    vpc = world.vpc()
    subnet = world.subnet(vpc, "10.0.1.0/24")
    world.instance(subnet, world.group(vpc), address="10.0.1.5")
    topology, inside = world.compile(), Vantage("vpc", vpc.id)
    name = f"ip-10-0-1-5.{REGION}.compute.internal"
    assert resolve(topology, inside, name, "A").values == ("10.0.1.5",)
    assert resolve(topology, inside, "5.1.0.10.in-addr.arpa", "PTR").values == (name,)
    for wrong in (name.replace("5.", "6."), f"10.0.1.5.{REGION}.compute.internal", f"{REGION}.compute.internal"):
        assert resolve(topology, inside, wrong, "A").code == "NXDOMAIN"
    assert resolve(topology, OUTSIDE, name, "A").code == "NXDOMAIN"


def test_a_resolver_that_is_off_says_nothing() -> None:
    world = World()
    vpc = world.vpc(dns_support=False)
    topology = world.compile()
    assert resolve(topology, Vantage("vpc", vpc.id), "example.com", "A").code == "REFUSED"
    assert not [one for one in topology.listeners if one.namespace == vpc.id]


@pytest.mark.statement("S2.20")
def test_private_dns_per_zone() -> None:
    world = World()
    vpc = world.vpc()
    here, there = world.subnet(vpc, "10.0.1.0/24", "a"), world.subnet(vpc, "10.0.2.0/24", "b")
    world.interface_endpoint(vpc, [here], world.group(vpc))
    asker, other = world.instance(here), world.instance(there)
    topology = world.compile(private_dns_per_zone=True)
    resolver = next(one.vantage for one in topology.listeners if one.namespace == vpc.id)
    assert resolver is not None
    for instance, code in ((asker, "NOERROR"), (other, "NXDOMAIN")):
        vantage = stand(topology, resolver, str(topology.instances[instance.id].address))
        assert resolve(topology, vantage, RUNTIME, "A").code == code


@pytest.mark.statement("S2.40")
def test_both_forms_of_the_feature_stores_name() -> None:
    world = World()
    vpc = world.vpc()
    subnets = [world.subnet(vpc, "10.0.1.0/24", "a"), world.subnet(vpc, "10.0.2.0/24", "b")]
    endpoint = world.interface_endpoint(vpc, subnets, world.group(vpc), service="sagemaker.featurestore-runtime")
    topology = world.compile()
    tail = f"featurestore-runtime.sagemaker.{REGION}.vpce.amazonaws.com"
    for form in (tail, f"api.{tail}"):
        own = f"{endpoint.id}-abcd1234"
        assert resolve(topology, OUTSIDE, f"{own}.{form}", "A").values == ("10.0.1.4", "10.0.2.4")
        assert resolve(topology, OUTSIDE, f"{own}-{REGION}b.{form}", "A").values == ("10.0.2.4",)
        assert resolve(topology, OUTSIDE, f"x.{own}.{form}", "A").code == "NXDOMAIN"


@pytest.mark.statement("S1.10", "S1.11", "S1.12")
def test_studios_names_lead_to_its_endpoint_inside_the_vpc() -> None:
    world = World()
    vpc = world.vpc()
    name = f"aws.sagemaker.{REGION}.studio"
    world.interface_endpoint(vpc, [world.subnet(vpc, "10.0.1.0/24")], world.group(vpc), service_name=name)
    topology = world.compile()
    for host in (f"studio.{REGION}.sagemaker.aws", f"d-0123456789ab.studio.{REGION}.sagemaker.aws"):
        assert resolve(topology, Vantage("vpc", vpc.id), host, "A").values == ("10.0.1.4",)
        assert resolve(topology, OUTSIDE, host, "A").values == public("studio")
    # another application's names are not its
    other = f"mine.notebook.{REGION}.sagemaker.aws"
    assert resolve(topology, Vantage("vpc", vpc.id), other, "A").values == public("notebook")


@pytest.mark.parametrize("only_inbound", [True, False])
def test_s3_by_its_interface_endpoint(only_inbound: bool) -> None:
    """For inbound resolvers alone the VPC's own answers stay public, for its gateway endpoint to take."""
    world = World()
    vpc = world.vpc()
    endpoint = world.interface_endpoint(
        vpc, [world.subnet(vpc, "10.0.1.0/24")], world.group(vpc), service="s3", private_dns_only_inbound=only_inbound
    )
    topology = world.compile()
    inside = Vantage("vpc", vpc.id)
    for host in (f"s3.{REGION}.amazonaws.com", f"b.s3.{REGION}.amazonaws.com"):
        assert resolve(topology, inside, host, "A").values == (public("s3") if only_inbound else ("10.0.1.4",))
    # no interface endpoint has the names of the Amazon Linux repositories
    for host in ("packages", "repo", "amazonlinux"):
        assert resolve(topology, inside, f"{host}.{REGION}.amazonaws.com", "A").values == public("s3")
    own = f"{endpoint.id}-abcd1234.s3.{REGION}.vpce.amazonaws.com"
    for prefix in ("bucket", "b.bucket", "ap-1.accesspoint", "1.control"):
        assert resolve(topology, OUTSIDE, f"{prefix}.{own}", "A").values == ("10.0.1.4",)


def test_dynamodb_is_public_behind_its_prefix_list() -> None:
    world = World()
    world.vpc()
    host = f"dynamodb.{REGION}.amazonaws.com"
    assert resolve(world.compile(), OUTSIDE, host, "A").values == public("dynamodb")

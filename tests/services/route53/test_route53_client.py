"""Route 53 as boto3 and the AWS CLI call it."""

import itertools
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import REGION, Daemon, aws, local_daemon

from tests.patience import eventually

_NAMES = itertools.count(1)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="module")
def ids(daemon: Daemon) -> SimpleNamespace:
    """Two VPCs, the first with a subnet; both DNS attributes on."""
    ec2 = daemon.client("ec2")
    vpcs = [ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"] for cidr in ("10.0.0.0/16", "10.1.0.0/16")]
    for vpc in vpcs:
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=vpcs[0], CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    return SimpleNamespace(vpc=vpcs[0], other=vpcs[1], subnet=subnet)


@pytest.fixture
def client(daemon: Daemon) -> Any:
    return daemon.client("route53")


def place(vpc: str) -> dict[str, str]:
    return {"VPCRegion": REGION, "VPCId": vpc}


@pytest.fixture
def zone(client: Any, ids: SimpleNamespace) -> str:
    name = f"n{next(_NAMES)}.test"
    made = client.create_hosted_zone(Name=name, VPC=place(ids.vpc), CallerReference=name)
    return str(made["HostedZone"]["Id"])


def record(name: str, kind: str, *values: str, ttl: int = 60, **fields: Any) -> dict[str, Any]:
    told = {"Name": name, "Type": kind, **fields}
    return told | ({"TTL": ttl, "ResourceRecords": [{"Value": value} for value in values]} if values else {})


def change(client: Any, zone: str, *changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    listed = [{"Action": action, "ResourceRecordSet": one} for action, one in changes]
    told: dict[str, Any] = client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": listed})
    return told["ChangeInfo"]


def name_of(client: Any, zone: str) -> str:
    return str(client.get_hosted_zone(Id=zone)["HostedZone"]["Name"]).rstrip(".")


def sets(client: Any, zone: str) -> list[tuple[str, str]]:
    pages = client.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone, PaginationConfig={"PageSize": 2}
    )
    return [(one["Name"], one["Type"]) for page in pages for one in page["ResourceRecordSets"]]


def refused(call: Any, code: str, text: str = "", **request: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == code
    assert text in caught.value.response["Error"]["Message"]


def test_the_life_of_a_private_zone(client: Any, ids: SimpleNamespace) -> None:
    made = client.create_hosted_zone(
        Name="Corp.Example", VPC=place(ids.vpc), CallerReference="one", HostedZoneConfig={"Comment": "ours"}
    )
    zone = made["HostedZone"]
    assert (zone["Name"], zone["Config"]) == ("corp.example.", {"Comment": "ours", "PrivateZone": True})
    assert made["Location"].endswith(zone["Id"]) and made["VPC"] == place(ids.vpc)
    assert zone["ResourceRecordSetCount"] == 2 and "DelegationSet" not in made
    shown = client.get_hosted_zone(Id=zone["Id"])
    assert shown["VPCs"] == [place(ids.vpc)]
    assert sets(client, zone["Id"]) == [("corp.example.", "NS"), ("corp.example.", "SOA")]
    client.associate_vpc_with_hosted_zone(HostedZoneId=zone["Id"], VPC=place(ids.other))
    assert len(client.get_hosted_zone(Id=zone["Id"])["VPCs"]) == 2
    client.disassociate_vpc_from_hosted_zone(HostedZoneId=zone["Id"], VPC=place(ids.vpc))
    leave = client.disassociate_vpc_from_hosted_zone
    refused(leave, "VPCAssociationNotFound", HostedZoneId=zone["Id"], VPC=place(ids.vpc))
    refused(leave, "LastVPCAssociation", HostedZoneId=zone["Id"], VPC=place(ids.other))
    assert client.update_hosted_zone_comment(Id=zone["Id"], Comment="mine")["HostedZone"]["Config"]["Comment"] == "mine"
    client.delete_hosted_zone(Id=zone["Id"])
    refused(client.get_hosted_zone, "NoSuchHostedZone", Id=zone["Id"])


def test_a_change_is_insync_once_it_is_applied(client: Any, zone: str) -> None:
    told = change(client, zone, ("CREATE", record(f"a.{name_of(client, zone)}", "A", "10.0.0.1")))
    assert told["Status"] == "PENDING"
    eventually(lambda: client.get_change(Id=told["Id"])["ChangeInfo"]["Status"], lambda status: status == "INSYNC")
    client.get_waiter("resource_record_sets_changed").wait(Id=told["Id"])
    refused(client.get_change, "NoSuchChange", Id="C0")


def test_a_batch_is_all_or_nothing_and_says_all_that_is_wrong(client: Any, zone: str) -> None:
    name = name_of(client, zone)
    change(client, zone, ("CREATE", record(f"a.{name}", "A", "10.0.0.1")))
    with pytest.raises(ClientError) as caught:
        change(
            client,
            zone,
            ("UPSERT", record(f"b.{name}", "A", "10.0.0.2")),
            ("CREATE", record(f"a.{name}", "A", "10.0.0.1")),
            ("DELETE", record(f"c.{name}", "A", "10.0.0.1")),
            ("DELETE", record(f"a.{name}", "A", "10.0.0.3")),
        )
    assert caught.value.response["Error"] == {
        "Type": "Sender",
        "Code": "InvalidChangeBatch",
        "Message": f"[Tried to create resource record set [name='a.{name}.', type='A'] but it already exists, "
        f"Tried to delete resource record set [name='c.{name}.', type='A'] but it was not found, "
        f"Tried to delete resource record set [name='a.{name}.', type='A'] but the values provided do not match the "
        "current values]",
    }
    assert (f"b.{name}.", "A") not in sets(client, zone)


def test_records_change_and_go(client: Any, zone: str) -> None:
    name = name_of(client, zone)
    first = record(f"a.{name}", "CNAME", "b.example")
    change(client, zone, ("CREATE", first), ("UPSERT", record(f"*.w.{name}", "TXT", '"x"', '"y"')))
    change(client, zone, ("DELETE", first), ("CREATE", record(f"A.{name}", "A", "10.0.0.1", "10.0.0.2")))
    change(client, zone, ("UPSERT", record(f"a.{name}", "A", "10.0.0.3", ttl=5)))
    assert sets(client, zone) == [
        (f"{name}.", "NS"), (f"{name}.", "SOA"), (f"a.{name}.", "A"), (f"\\052.w.{name}.", "TXT"),
    ]  # fmt: skip
    from_a = client.list_resource_record_sets(HostedZoneId=zone, StartRecordName=f"a.{name}", MaxItems="1")
    assert from_a["ResourceRecordSets"][0]["TTL"] == 5
    assert (from_a["IsTruncated"], from_a["NextRecordName"]) == (True, f"\\052.w.{name}.")
    refused(client.delete_hosted_zone, "HostedZoneNotEmpty", Id=zone)
    change(
        client,
        zone,
        ("DELETE", record(f"a.{name}", "A", "10.0.0.3", ttl=5)),
        ("DELETE", record(f"*.w.{name}", "TXT", '"y"', '"x"')),
    )
    client.delete_hosted_zone(Id=zone)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("A", "10.0.0", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '10.0.0'"),
        ("A", "010.0.0.1", "ARRDATAIllegalIPv4Address"),
        ("AAAA", "10.0.0.1", "AAAARRDATAIllegalIPv6Address"),
        ("TXT", "bare", "InvalidCharacterString (Value should be enclosed in quotation marks)"),
        ("TXT", '"' + "x" * 256 + '"', "CharacterStringTooLong"),
        ("TXT", '"open', "InvalidCharacterString"),
        ("MX", "mail.example.org", "MXRRDATANotTwoFields"),
        ("MX", "70000 mail.example.org", "MXRRDATAInvalidNumber"),
        ("SRV", "1 2 x", "SRVRRDATANotFourFields"),
        ("CNAME", "a..b", "DomainLabelEmpty"),
        ("CNAME", "x" * 64 + ".b", "DomainLabelTooLong"),
        ("PTR", "a b", "UnsupportedCharacter"),
        ("NS", "", "DomainLabelEmpty"),
    ],
)
def test_values_that_are_none(client: Any, zone: str, kind: str, value: str, text: str) -> None:
    with pytest.raises(ClientError, match="InvalidChangeBatch") as caught:
        change(client, zone, ("CREATE", record(f"x.{name_of(client, zone)}", kind, value)))
    assert text in str(caught.value)
    assert len(sets(client, zone)) == 2


def test_what_a_zone_cannot_hold(client: Any, zone: str) -> None:
    name = name_of(client, zone)
    change(
        client,
        zone,
        ("CREATE", record(f"c.{name}", "CNAME", "x.test")),
        ("CREATE", record(f"a.{name}", "A", "1.2.3.4")),
    )
    cases = [
        (("CREATE", record("x.elsewhere", "A", "1.2.3.4")), f"is not permitted in zone {name}."),
        (("CREATE", record(name, "CNAME", "x.test")), "is not permitted at apex"),
        (("CREATE", record(f"a.{name}", "CNAME", "x.test")), "as it conflicts with other records"),
        (("CREATE", record(f"c.{name}", "A", "1.2.3.4")), "because a conflicting RRSet of type CNAME"),
        (("CREATE", record(f"d.{name}", "CNAME", "x.test", "y.test")), "exactly one resource record"),
        (("CREATE", record(f"d.{name}", "A", "1.2.3.4", "1.2.3.4")), "Duplicate Resource Record: '1.2.3.4'"),
        (("CREATE", record(f"d.{name}", "SOA", "a. b. 1 2 3 4 5")), "RRSet of type SOA"),
    ]
    for one, text in cases:
        with pytest.raises(ClientError, match="InvalidChangeBatch") as caught:
            change(client, zone, one)
        assert text in str(caught.value)
    apex = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"][:2]
    for one, text in zip(apex, ("at least one NS record", "exactly one SOA record"), strict=True):
        with pytest.raises(ClientError, match="InvalidChangeBatch") as caught:
            change(client, zone, ("DELETE", one))
        assert text in str(caught.value)
    with pytest.raises(ClientError, match="Number of records limit of 1000"):
        change(client, zone, *[("UPSERT", record(f"r{i}.{name}", "A", "1.2.3.4")) for i in range(501)])


@pytest.mark.parametrize(
    "fields",
    [{"SetIdentifier": "s", "Weight": 1}, {"SetIdentifier": "s", "Region": "us-east-1"}, {"MultiValueAnswer": True}],
)
def test_routing_policies_are_refused(client: Any, zone: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="does not implement the routing policies"):
        change(client, zone, ("CREATE", record(f"x.{name_of(client, zone)}", "A", "1.2.3.4", **fields)))
    with pytest.raises(ClientError, match="does not implement record sets of type CAA"):
        change(client, zone, ("CREATE", record(f"x.{name_of(client, zone)}", "CAA", '0 issue "x"')))


def test_neither_records_nor_alias_or_both(client: Any, zone: str) -> None:
    name = name_of(client, zone)
    alias = {"HostedZoneId": zone, "DNSName": name, "EvaluateTargetHealth": False}
    for one, found in (
        (record(f"x.{name}", "A"), "but found none"),
        (record(f"x.{name}", "A", "1.2.3.4", AliasTarget=alias), "but found more than one"),
    ):
        with pytest.raises(ClientError, match="Expected exactly one of") as caught:
            change(client, zone, ("CREATE", one))
        assert found in str(caught.value) and "InvalidInput" in str(caught.value)


def test_aliases_to_the_zone_itself_and_to_endpoints(
    client: Any, daemon: Daemon, zone: str, ids: SimpleNamespace
) -> None:
    made = daemon.client("ec2").create_vpc_endpoint(
        VpcEndpointType="Interface", VpcId=ids.vpc, ServiceName=f"com.amazonaws.{REGION}.ec2", SubnetIds=[ids.subnet],
        PrivateDnsEnabled=False,
    )["VpcEndpoint"]["DnsEntries"][0]  # fmt: skip
    name = name_of(client, zone)

    def alias(zone_id: str, target: str) -> dict[str, Any]:
        given = {"HostedZoneId": zone_id, "DNSName": target, "EvaluateTargetHealth": True}
        return record(f"al.{name}", "A", AliasTarget=given)

    change(client, zone, ("CREATE", alias(made["HostedZoneId"], made["DnsName"])))
    shown = client.list_resource_record_sets(HostedZoneId=zone, StartRecordName=f"al.{name}")["ResourceRecordSets"]
    assert shown[0]["AliasTarget"]["DNSName"] == made["DnsName"] + "."
    short = zone.rpartition("/")[2]
    for zone_id, target, text in (
        (short, f"gone.{name}", "but that target was not found"),
        (short, "x.elsewhere", "but the alias target name does not lie within the target zone"),
        ("Z2FDTNDATAQYW2", "d123.cloudfront.net", "does not lie within the target zone"),
    ):
        with pytest.raises(ClientError, match="InvalidChangeBatch") as caught:
            change(client, zone, ("UPSERT", alias(zone_id, target)))
        assert text in str(caught.value)
    change(client, zone, ("CREATE", record(f"t.{name}", "A", "1.2.3.4")), ("UPSERT", alias(short, f"t.{name}")))


def test_zones_that_cannot_be(client: Any, ids: SimpleNamespace, zone: str) -> None:
    name, make = name_of(client, zone), client.create_hosted_zone
    refused(
        make, "HostedZoneAlreadyExists", "caller reference", Name="x.test", VPC=place(ids.vpc), CallerReference=name
    )
    taken = f"{ids.vpc} in region {REGION}"
    refused(make, "ConflictingDomainExists", taken, Name=name, VPC=place(ids.vpc), CallerReference="r1")
    refused(make, "InvalidVPCId", Name="x.test", VPC=place("vpc-0"), CallerReference="r2")
    refused(make, "InvalidVPCId", Name="x.test", VPC={"VPCRegion": "eu-west-1", "VPCId": ids.vpc}, CallerReference="r2")
    refused(make, "InvalidDomainName", Name="a..test", CallerReference="r3")
    refused(make, "InvalidDomainName", "is reserved by AWS!", Name=f"x.{REGION}.amazonaws.com", CallerReference="r3")
    refused(make, "InvalidInput", Name="x.test", CallerReference="r4", HostedZoneConfig={"PrivateZone": True})
    refused(make, "NotImplemented", Name="x.test", CallerReference="r5", DelegationSetId="N1")
    join = client.associate_vpc_with_hosted_zone
    refused(join, "ConflictingDomainExists", HostedZoneId=zone, VPC=place(ids.vpc))
    public = make(Name="public.test", CallerReference="r6")
    assert len(public["DelegationSet"]["NameServers"]) == 4 and not public["HostedZone"]["Config"]["PrivateZone"]
    refused(join, "PublicZoneVPCAssociation", HostedZoneId=public["HostedZone"]["Id"], VPC=place(ids.vpc))
    refused(make, "ConflictingDomainExists", Name="Public.test.", CallerReference="r7")


def test_zones_and_private_dns_of_endpoints_exclude_each_other(
    client: Any, daemon: Daemon, ids: SimpleNamespace
) -> None:
    ec2, name = daemon.client("ec2"), f"api.sagemaker.{REGION}.amazonaws.com"
    zone = client.create_hosted_zone(Name=name, VPC=place(ids.vpc), CallerReference="api")["HostedZone"]["Id"]
    wanted = {"VpcEndpointType": "Interface", "VpcId": ids.vpc, "SubnetIds": [ids.subnet]}
    service = f"com.amazonaws.{REGION}.sagemaker.api"
    with pytest.raises(ClientError) as caught:
        ec2.create_vpc_endpoint(**wanted, ServiceName=service, PrivateDnsEnabled=True)
    assert caught.value.response["Error"] == {
        "Code": "ConflictingDomainExists",
        "Message": f"The VPC {ids.vpc} in region {REGION} has already been associated with the hosted zone "
        f"{zone.rpartition('/')[2]} with the same domain name.",
    }
    made = ec2.create_vpc_endpoint(**wanted, ServiceName=service, PrivateDnsEnabled=False)["VpcEndpoint"]
    with pytest.raises(ClientError, match="ConflictingDomainExists"):
        ec2.modify_vpc_endpoint(VpcEndpointId=made["VpcEndpointId"], PrivateDnsEnabled=True)
    client.delete_hosted_zone(Id=zone)
    ec2.modify_vpc_endpoint(VpcEndpointId=made["VpcEndpointId"], PrivateDnsEnabled=True)
    make = client.create_hosted_zone
    refused(make, "ConflictingDomainExists", Name=name, VPC=place(ids.vpc), CallerReference="again")
    owners = client.list_hosted_zones_by_vpc(VPCId=ids.vpc, VPCRegion=REGION)["HostedZoneSummaries"]
    assert {"OwningService": "vpce.amazonaws.com"} in [one["Owner"] for one in owners if one["Name"] == f"{name}."]
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])


def test_lists_of_zones(client: Any, ids: SimpleNamespace) -> None:
    for name in ("b.list", "a.list", "z.a.list"):
        client.create_hosted_zone(Name=name, VPC=place(ids.other), CallerReference=name)
    pages = client.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 2})
    found = [zone["Id"] for page in pages for zone in page["HostedZones"]]
    assert found == sorted(set(found)) and len(found) == client.get_hosted_zone_count()["HostedZoneCount"]
    by_name = client.list_hosted_zones_by_name(DNSName="a.list", MaxItems="2")
    assert [zone["Name"] for zone in by_name["HostedZones"]] == ["a.list.", "z.a.list."]
    assert by_name["NextDNSName"] == "b.list."
    first = client.list_hosted_zones_by_vpc(VPCId=ids.other, VPCRegion=REGION, MaxItems="2")
    rest = client.list_hosted_zones_by_vpc(VPCId=ids.other, VPCRegion=REGION, NextToken=first["NextToken"])
    names = [one["Name"] for one in (*first["HostedZoneSummaries"], *rest["HostedZoneSummaries"])]
    assert [name for name in names if name.endswith(".list.")] == ["a.list.", "b.list.", "z.a.list."]
    refused(client.list_hosted_zones, "InvalidInput", MaxItems="many")
    refused(client.list_hosted_zones_by_vpc, "InvalidPaginationToken", VPCId=ids.other, VPCRegion=REGION, NextToken="?")


def test_tags(client: Any, zone: str) -> None:
    id = zone.rpartition("/")[2]
    which = {"ResourceType": "hostedzone", "ResourceId": id}
    client.change_tags_for_resource(**which, AddTags=[{"Key": "team", "Value": "ml"}, {"Key": "x", "Value": ""}])
    client.change_tags_for_resource(**which, AddTags=[{"Key": "team", "Value": "net"}], RemoveTagKeys=["x"])
    tags = [{"Key": "team", "Value": "net"}]
    assert client.list_tags_for_resource(**which)["ResourceTagSet"] == {**which, "Tags": tags}
    many = client.list_tags_for_resources(ResourceType="hostedzone", ResourceIds=[id])
    assert many["ResourceTagSets"][0]["Tags"] == tags
    refused(client.change_tags_for_resource, "InvalidInput", **which)
    refused(client.list_tags_for_resource, "NoSuchHealthCheck", ResourceType="healthcheck", ResourceId="h")


def test_no_zone_is_signed(client: Any, zone: str) -> None:
    public = client.create_hosted_zone(Name="unsigned.test", CallerReference="unsigned")["HostedZone"]["Id"]
    assert client.get_dnssec(HostedZoneId=public)["Status"] == {"ServeSignature": "NOT_SIGNING"}
    client.delete_hosted_zone(Id=public)
    with pytest.raises(ClientError, match="unsupported for private") as caught:
        client.get_dnssec(HostedZoneId=zone)
    assert caught.value.response["Error"]["Code"] == "InvalidArgument"


def test_conditions_on_what_is_changed(client: Any, daemon: Daemon, zone: str) -> None:
    """A policy that allows TXT records of one name only."""
    iam, name = daemon.client("iam"), name_of(client, zone)
    keys = "route53:ChangeResourceRecordSets"
    allowed = {
        f"{keys}NormalizedRecordNames": [f"_acme-challenge.{name}"], f"{keys}RecordTypes": ["TXT"],
        f"{keys}Actions": ["CREATE", "UPSERT"],
    }  # fmt: skip
    statement = {
        "Effect": "Allow",
        "Action": "route53:ChangeResourceRecordSets",
        "Resource": f"arn:aws:route53:::hostedzone/{zone.rpartition('/')[2]}",
        "Condition": {"ForAllValues:StringEquals": allowed},
    }
    user = f"acme{next(_NAMES)}"
    iam.create_user(UserName=user)
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    narrow = daemon.client("route53", (key["AccessKeyId"], key["SecretAccessKey"]))
    good = record(f"_ACME-challenge.{name}.", "TXT", '"token"')
    change(narrow, zone, ("UPSERT", good))
    for one in (
        ("DELETE", good),
        ("CREATE", record(f"www.{name}", "TXT", '"x"')),
        ("CREATE", record(name, "MX", "1 x")),
    ):
        with pytest.raises(ClientError, match="AccessDenied") as caught:
            change(narrow, zone, one)
    assert "is not authorized to perform: route53:ChangeResourceRecordSets on resource: arn:aws:route53:::" in str(
        caught.value
    )


def test_the_command_line(daemon: Daemon, ids: SimpleNamespace) -> None:
    vpc = f"VPCRegion={REGION},VPCId={ids.vpc}"
    made = json.loads(
        aws(
            daemon, "route53", "create-hosted-zone", "--name", "cli.test", "--vpc", vpc, "--caller-reference", "c"
        ).stdout
    )
    zone = made["HostedZone"]["Id"]
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record("a.cli.test", "A", "10.0.0.1")}]}
    aws(daemon, "route53", "change-resource-record-sets", "--hosted-zone-id", zone, "--change-batch", json.dumps(batch))
    aws(daemon, "route53", "wait", "resource-record-sets-changed", "--id", made["ChangeInfo"]["Id"])
    listed = json.loads(aws(daemon, "route53", "list-resource-record-sets", "--hosted-zone-id", zone).stdout)
    assert len(listed["ResourceRecordSets"]) == 3

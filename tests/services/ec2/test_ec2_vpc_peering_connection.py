"""VPC peering connections as records: their life, who may do what, routes, groups behind them, stale rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ringfence.core.call import Principal
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection, VpcPeeringConnectionStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OTHER = "210987654321"
STRANGER = Principal(kind="root", account=OTHER, arn=f"arn:aws:iam::{OTHER}:root", id=OTHER)


@pytest.fixture
def pair(ec2: Any) -> tuple[str, str]:
    return ec2.vpc("10.0.0.0/16"), ec2.vpc("10.1.0.0/16")


def request(ec2: Any, one: str, other: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = ec2("CreateVpcPeeringConnection", VpcId=one, PeerVpcId=other, **more)["VpcPeeringConnection"]
    return made


def said(ec2: Any, pcx: str, state: str) -> None:
    """What the reconciler would write."""
    with ec2.store.transaction() as records:
        records.put(VpcPeeringConnectionStatus(id=pcx, state=state, at=NOW))


def connect(ec2: Any, one: str, other: str) -> str:
    pcx = str(request(ec2, one, other)["VpcPeeringConnectionId"])
    ec2("AcceptVpcPeeringConnection", VpcPeeringConnectionId=pcx)
    said(ec2, pcx, "active")
    return pcx


def change(ec2: Any, pcx: str, **fields: Any) -> None:
    with ec2.store.transaction() as records:
        records.put(msgspec.structs.replace(records.get(VpcPeeringConnection, pcx), **fields))


def shown(ec2: Any, pcx: str, **caller: Any) -> dict[str, Any]:
    found = ec2("DescribeVpcPeeringConnections", VpcPeeringConnectionIds=[pcx], **caller)["VpcPeeringConnections"]
    told: dict[str, Any] = found[0]
    return told


def state(ec2: Any, pcx: str, **caller: Any) -> str:
    return str(shown(ec2, pcx, **caller)["Status"]["Code"])


def test_from_request_to_deletion(ec2: Any, pair: tuple[str, str]) -> None:
    tags = [{"ResourceType": "vpc-peering-connection", "Tags": [{"Key": "a", "Value": "b"}]}]
    made = request(ec2, *pair, TagSpecifications=tags)
    pcx = made["VpcPeeringConnectionId"]
    assert made["Status"] == {"Code": "initiating-request", "Message": "Initiating Request to 123456789012"}
    assert made["ExpirationTime"] == NOW + timedelta(days=7) and made["Tags"] == [{"Key": "a", "Value": "b"}]
    assert made["RequesterVpcInfo"]["CidrBlock"] == "10.0.0.0/16" and "CidrBlock" not in made["AccepterVpcInfo"]
    told = shown(ec2, pcx)
    assert told["Status"] == {"Code": "pending-acceptance", "Message": "Pending Acceptance by 123456789012"}
    accepted = ec2("AcceptVpcPeeringConnection", VpcPeeringConnectionId=pcx)["VpcPeeringConnection"]
    assert accepted["Status"]["Code"] == "provisioning" and "ExpirationTime" not in accepted
    assert accepted["AccepterVpcInfo"]["CidrBlockSet"] == [{"CidrBlock": "10.1.0.0/16"}]
    said(ec2, pcx, "active")
    assert state(ec2, pcx) == "active"
    assert ec2("DeleteVpcPeeringConnection", VpcPeeringConnectionId=pcx) == {"Return": True}
    assert state(ec2, pcx) == "deleting"
    said(ec2, pcx, "deleted")
    assert shown(ec2, pcx)["Status"]["Message"] == "Deleted by 123456789012"
    change(ec2, pcx, deleting=NOW - timedelta(hours=2))
    assert ec2("DescribeVpcPeeringConnections") == {"VpcPeeringConnections": []}
    assert "InvalidVpcPeeringConnectionID.NotFound" in ec2.error(
        "DescribeVpcPeeringConnections", VpcPeeringConnectionIds=[pcx]
    )


def test_only_between_vpcs_with_different_addresses(ec2: Any, pair: tuple[str, str]) -> None:
    twin = ec2.vpc("10.0.0.0/17")
    for peer in (twin, pair[0], "vpc-0123456789abcdef0"):
        pcx = request(ec2, pair[0], peer)["VpcPeeringConnectionId"]
        told = shown(ec2, pcx)["Status"]
        assert told["Code"] == "failed" and "overlapping CIDR range" in told["Message"]
        error = ec2.error("AcceptVpcPeeringConnection", VpcPeeringConnectionId=pcx)
        assert error.startswith("InvalidStateTransition: ") and "from failed to active" in error
    change(ec2, pcx, created=NOW - timedelta(hours=3))
    assert "NotFound" in ec2.error("DescribeVpcPeeringConnections", VpcPeeringConnectionIds=[pcx])
    pcx = request(ec2, *pair)["VpcPeeringConnectionId"]
    ec2("AssociateVpcCidrBlock", VpcId=pair[0], CidrBlock="10.1.0.0/17")
    told = ec2("AcceptVpcPeeringConnection", VpcPeeringConnectionId=pcx)["VpcPeeringConnection"]
    assert told["Status"]["Code"] == "failed"


def test_a_peer_keeps_its_addresses_apart(ec2: Any, pair: tuple[str, str]) -> None:
    connect(ec2, *pair)
    error = ec2.error("AssociateVpcCidrBlock", VpcId=pair[1], CidrBlock="10.0.128.0/24")
    assert error.startswith("InvalidVpc.Conflict")
    assert "DependencyViolation" in ec2.error("DeleteVpc", VpcId=pair[0])


def test_what_requests_must_say(ec2: Any, pair: tuple[str, str]) -> None:
    for code, bad in (
        ("MissingParameter", {"VpcId": pair[0]}),
        ("InvalidVpcID.NotFound", {"VpcId": "vpc-0123456789abcdef0", "PeerVpcId": pair[1]}),
        ("InvalidVpcID.Malformed", {"VpcId": pair[0], "PeerVpcId": "vpc-1"}),
        ("InvalidParameterValue", {"VpcId": pair[0], "PeerVpcId": pair[1], "PeerOwnerId": "me"}),
        ("InvalidParameterValue", {"VpcId": pair[0], "PeerVpcId": pair[1], "PeerRegion": "mars-1"}),
        ("DryRunOperation", {"VpcId": pair[0], "PeerVpcId": pair[1], "DryRun": True}),
    ):
        assert ec2.error("CreateVpcPeeringConnection", **bad).startswith(f"{code}: "), bad
    request(ec2, *pair)
    error = ec2.error("CreateVpcPeeringConnection", VpcId=pair[1], PeerVpcId=pair[0])
    assert error.startswith("VpcPeeringConnectionAlreadyExists: ")
    for name in ("Accept", "Reject", "Delete"):
        operation = f"{name}VpcPeeringConnection"
        assert "ConnectionId.Malformed" in ec2.error(operation, VpcPeeringConnectionId="pcx-1")
        error = ec2.error(operation, VpcPeeringConnectionId="pcx-0123456789abcdef0")
        assert error == (
            "InvalidVpcPeeringConnectionID.NotFound: The vpcPeeringConnection ID 'pcx-0123456789abcdef0' does not exist"
        )


def test_rejected_and_expired(ec2: Any, pair: tuple[str, str]) -> None:
    pcx = request(ec2, *pair)["VpcPeeringConnectionId"]
    assert ec2("RejectVpcPeeringConnection", VpcPeeringConnectionId=pcx) == {"Return": True}
    assert state(ec2, pcx) == "rejected"
    error = ec2.error("DeleteVpcPeeringConnection", VpcPeeringConnectionId=pcx)
    assert error == (
        f"InvalidStateTransition: Invalid state transition for {pcx}, attempted to transition from rejected to deleting"
    )
    again = request(ec2, *pair)["VpcPeeringConnectionId"]
    change(ec2, again, created=NOW - timedelta(days=7))
    assert state(ec2, again) == "expired"
    assert "from expired to active" in ec2.error("AcceptVpcPeeringConnection", VpcPeeringConnectionId=again)
    request(ec2, *pair)


def test_across_accounts_and_regions(ec2: Any) -> None:
    mine = ec2.vpc("10.0.0.0/16")
    theirs = {"principal": STRANGER, "region": "eu-west-1"}
    peer = ec2("CreateVpc", CidrBlock="10.1.0.0/16", **theirs)["Vpc"]["VpcId"]
    assert state(ec2, request(ec2, mine, peer)["VpcPeeringConnectionId"]) == "failed"  # not this account's
    pcx = request(ec2, mine, peer, PeerOwnerId=OTHER, PeerRegion="eu-west-1")["VpcPeeringConnectionId"]
    told = shown(ec2, pcx, **theirs)
    assert told["Status"]["Message"] == f"Pending Acceptance by {OTHER}"
    assert told["AccepterVpcInfo"] == {"VpcId": peer, "OwnerId": OTHER, "Region": "eu-west-1"}
    one = {"VpcPeeringConnectionId": pcx}
    error = ec2.error("AcceptVpcPeeringConnection", **one)
    assert error == f"OperationNotPermitted: User (123456789012) cannot accept peering {pcx}"
    assert "cannot delete peering" in ec2.error("DeleteVpcPeeringConnection", **one, **theirs)
    assert "NotFound" in ec2.error("AcceptVpcPeeringConnection", **one, principal=STRANGER)  # another region
    ec2("AcceptVpcPeeringConnection", **one, **theirs)
    said(ec2, pcx, "active")
    ec2("CreateTags", Resources=[pcx], Tags=[{"Key": "side", "Value": "theirs"}], **theirs)
    assert shown(ec2, pcx)["Tags"] == [] and shown(ec2, pcx, **theirs)["Tags"][0]["Value"] == "theirs"
    error = ec2.error(
        "ModifyVpcPeeringConnectionOptions",
        **one,
        AccepterPeeringConnectionOptions={"AllowDnsResolutionFromRemoteVpc": True},
    )
    assert "does not have permission to modify the accepter side peering options" in error
    # groups of another region cannot be named
    group = ec2("CreateSecurityGroup", VpcId=peer, GroupName="g", Description="d", **theirs)["GroupId"]
    error = ec2.error(
        "AuthorizeSecurityGroupIngress", GroupId=ec2.group(mine), IpPermissions=[naming(group, UserId=OTHER)]
    )
    assert error.startswith("InvalidGroup.NotFound")
    ec2("DeleteVpcPeeringConnection", **one, **theirs)
    change(ec2, pcx, deleting=NOW - timedelta(hours=3))
    assert state(ec2, pcx) == "deleting"  # the other party sees it for two days
    assert "NotFound" in ec2.error("DescribeVpcPeeringConnections", VpcPeeringConnectionIds=[pcx], **theirs)


def test_options_of_active_ones(ec2: Any, pair: tuple[str, str]) -> None:
    pcx = request(ec2, *pair)["VpcPeeringConnectionId"]
    wanted = {"RequesterPeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": True}}
    one = {"VpcPeeringConnectionId": pcx}
    error = ec2.error("ModifyVpcPeeringConnectionOptions", **one, **wanted)
    assert error.startswith("OperationNotPermitted: ") and "only to active peerings" in error
    ec2("AcceptVpcPeeringConnection", **one)
    said(ec2, pcx, "active")
    answer = ec2("ModifyVpcPeeringConnectionOptions", **one, **wanted)
    assert answer["RequesterPeeringConnectionOptions"]["AllowDnsResolutionFromRemoteVpc"]
    assert list(answer) == ["RequesterPeeringConnectionOptions"]
    told = shown(ec2, pcx)
    sides = [told[f"{side}VpcInfo"]["PeeringOptions"] for side in ("Requester", "Accepter")]
    assert [side["AllowDnsResolutionFromRemoteVpc"] for side in sides] == [True, False]
    for member in ("AllowEgressFromLocalClassicLinkToRemoteVpc", "AllowMultipathResilience"):
        ec2.error("ModifyVpcPeeringConnectionOptions", **one, RequesterPeeringConnectionOptions={member: True})
    assert "MissingParameter" in ec2.error("ModifyVpcPeeringConnectionOptions", **one)


def test_filters_and_pages(ec2: Any) -> None:
    centre = ec2.vpc("10.0.0.0/16")
    peers = [ec2.vpc(f"10.{number}.0.0/16") for number in (1, 2)]
    made = [connect(ec2, centre, peers[0]), request(ec2, peers[1], centre)["VpcPeeringConnectionId"]]
    for _ in range(4):
        request(ec2, centre, centre)

    def found(name: str, *values: str) -> list[str]:
        filters = [{"Name": name, "Values": list(values)}]
        told = ec2("DescribeVpcPeeringConnections", Filters=filters)["VpcPeeringConnections"]
        return [one["VpcPeeringConnectionId"] for one in told]

    assert found("requester-vpc-info.vpc-id", peers[1]) == [made[1]] == found("status-code", "pending-acceptance")
    assert found("accepter-vpc-info.cidr-block", "10.1.*") == [made[0]] == found("status-message", "Active")
    assert found("accepter-vpc-info.vpc-id", peers[0]) == [made[0]] == found("vpc-peering-connection-id", made[0])
    assert (
        len(found("requester-vpc-info.owner-id", "123456789012")) == 6 == len(found("expiration-time", "2026-01-09*"))
    )
    assert found("accepter-vpc-info.owner-id", OTHER) == [] == found("tag:a", "b")
    assert found("requester-vpc-info.cidr-block", "10.2.0.0/16") == [made[1]]
    page = ec2("DescribeVpcPeeringConnections", MaxResults=5)
    rest = ec2("DescribeVpcPeeringConnections", MaxResults=5, NextToken=page["NextToken"])
    assert [len(one["VpcPeeringConnections"]) for one in (page, rest)] == [5, 1]


def test_routes(ec2: Any, pair: tuple[str, str]) -> None:
    tables = {one["VpcId"]: one["RouteTableId"] for one in ec2("DescribeRouteTables")["RouteTables"]}
    pcx = request(ec2, *pair)["VpcPeeringConnectionId"]
    route = {"RouteTableId": tables[pair[0]], "DestinationCidrBlock": "10.1.0.0/16", "VpcPeeringConnectionId": pcx}

    def found(**filters: str) -> list[str]:
        wanted = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        told = ec2("DescribeRouteTables", Filters=[*wanted, {"Name": "vpc-id", "Values": [pair[0]]}])["RouteTables"]
        return [one["State"] for table in told for one in table["Routes"] if "VpcPeeringConnectionId" in one]

    ec2("CreateRoute", **route)
    assert found() == ["blackhole"]  # not accepted yet
    ec2("AcceptVpcPeeringConnection", VpcPeeringConnectionId=pcx)
    named = [{"Name": "route.vpc-peering-connection-id", "Values": [pcx]}]
    assert [one["RouteTableId"] for one in ec2("DescribeRouteTables", Filters=named)["RouteTables"]] == [
        tables[pair[0]]
    ]
    assert found() == ["active"]
    third = ec2.vpc("10.2.0.0/16")
    elsewhere = next(one for one in ec2("DescribeRouteTables")["RouteTables"] if one["VpcId"] == third)["RouteTableId"]
    assert "belong to different networks" in ec2.error("CreateRoute", **{**route, "RouteTableId": elsewhere})
    assert "This route can target only" in ec2.error("CreateRoute", **{**route, "DestinationCidrBlock": "10.0.1.0/24"})
    assert "InvalidParameterCombination" in ec2.error("CreateRoute", **route, GatewayId="igw-0123456789abcdef0")
    ec2("DeleteVpcPeeringConnection", VpcPeeringConnectionId=pcx)
    assert found() == ["blackhole"]
    assert "InvalidVpcPeeringConnectionID.NotFound" in ec2.error("ReplaceRoute", **route)
    ec2("DeleteRoute", RouteTableId=tables[pair[0]], DestinationCidrBlock="10.1.0.0/16")


def naming(group: str, **more: str) -> dict[str, Any]:
    pair = {"GroupId": group, **more}
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [pair]}


def test_groups_of_a_peer(ec2: Any, pair: tuple[str, str]) -> None:
    here, there = ec2.group(pair[0]), ec2.group(pair[1], "peer")
    refused = "You have specified two resources that belong to different networks."
    permission = {"GroupId": here, "IpPermissions": [naming(there)]}
    assert refused in ec2.error("AuthorizeSecurityGroupIngress", **permission)
    pcx = connect(ec2, *pair)
    for code, more in (
        ("InvalidVpcPeeringConnectionID.NotFound", {"VpcPeeringConnectionId": "pcx-0123456789abcdef0"}),
        ("InvalidGroup.NotFound", {"VpcId": pair[0]}),
        ("InvalidGroup.NotFound", {"UserId": OTHER}),
        ("InvalidParameterValue", {"VpcPeeringConnectionId": pcx, "PeeringStatus": "deleted"}),
    ):
        error = ec2.error("AuthorizeSecurityGroupIngress", GroupId=here, IpPermissions=[naming(there, **more)])
        assert error.startswith(f"{code}: "), more
    named = naming(there, VpcPeeringConnectionId=pcx, UserId="123456789012", VpcId=pair[1])
    rule = ec2("AuthorizeSecurityGroupIngress", GroupId=here, IpPermissions=[named])["SecurityGroupRules"][0]
    whom = {"GroupId": there, "UserId": "123456789012", "VpcId": pair[1], "VpcPeeringConnectionId": pcx}
    assert rule["ReferencedGroupInfo"] == {**whom, "PeeringStatus": "active"}
    assert "InvalidPermission.Duplicate" in ec2.error("AuthorizeSecurityGroupIngress", **permission)
    references = ec2("DescribeSecurityGroupReferences", GroupId=[there])["SecurityGroupReferenceSet"]
    assert references == [{"GroupId": there, "ReferencingVpcId": pair[0], "VpcPeeringConnectionId": pcx}]
    assert ec2("DescribeStaleSecurityGroups", VpcId=pair[0]) == {"StaleSecurityGroupSet": []}
    ec2("DeleteVpcPeeringConnection", VpcPeeringConnectionId=pcx)
    told = ec2("DescribeSecurityGroups", GroupIds=[here])["SecurityGroups"][0]["IpPermissions"][0]
    assert told["UserIdGroupPairs"] == [{**whom, "PeeringStatus": "deleted"}]
    stale = ec2("DescribeStaleSecurityGroups", VpcId=pair[0])["StaleSecurityGroupSet"][0]
    assert stale["GroupId"] == here and stale["StaleIpPermissions"][0]["UserIdGroupPairs"] == told["UserIdGroupPairs"]
    assert stale["StaleIpPermissionsEgress"] == []
    assert ec2("DescribeSecurityGroupReferences", GroupId=[there])["SecurityGroupReferenceSet"] == []
    ec2("RevokeSecurityGroupIngress", GroupId=here, IpPermissions=[told])
    assert ec2("DescribeStaleSecurityGroups", VpcId=pair[0]) == {"StaleSecurityGroupSet": []}


def test_a_group_that_a_peer_names_can_be_deleted(ec2: Any, pair: tuple[str, str]) -> None:
    here, there = ec2.group(pair[0]), ec2.group(pair[1], "peer")
    connect(ec2, *pair)
    rule = ec2("AuthorizeSecurityGroupEgress", GroupId=here, IpPermissions=[naming(there)])["SecurityGroupRules"][0]
    update = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "ReferencedGroupId": there}
    change = {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": update}
    ec2("ModifySecurityGroupRules", GroupId=here, SecurityGroupRules=[change])
    ec2("DeleteSecurityGroup", GroupId=there)
    stale = ec2("DescribeStaleSecurityGroups", VpcId=pair[0])["StaleSecurityGroupSet"][0]["StaleIpPermissionsEgress"]
    assert stale[0]["FromPort"] == 80 and stale[0]["UserIdGroupPairs"][0]["PeeringStatus"] == "active"

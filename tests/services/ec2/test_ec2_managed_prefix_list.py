"""Customer-managed prefix lists: entries, versions, sizes, who refers to them and what that costs of quotas."""

from typing import Any

import pytest

from ringfence.resources.prefix_list import PrefixList, PrefixListStatus


def made(ec2: Any, *cidrs: str, size: int = 10, **members: Any) -> str:
    entries = [{"Cidr": cidr} for cidr in cidrs]
    members = {"PrefixListName": "mine", "AddressFamily": "IPv4", "MaxEntries": size, **members}
    id = str(ec2("CreateManagedPrefixList", Entries=entries, **members)["PrefixList"]["PrefixListId"])
    settle(ec2)
    return id


def settle(ec2: Any) -> None:
    """What the reconciler says once the network has the entries."""
    with ec2.store.transaction() as records:
        for one in records.all(PrefixList):
            records.put(PrefixListStatus(id=one.id, serial=one.serial))


def shown(ec2: Any, id: str) -> dict[str, Any]:
    (one,) = ec2("DescribeManagedPrefixLists", PrefixListIds=[id])["PrefixLists"]
    return dict(one)


def entries(ec2: Any, id: str, **members: Any) -> list[str]:
    return [one["Cidr"] for one in ec2("GetManagedPrefixListEntries", PrefixListId=id, **members)["Entries"]]


def test_a_list_is_made_and_described(ec2: Any) -> None:
    request = {
        "PrefixListName": "office", "AddressFamily": "IPv4", "MaxEntries": 3, "ClientToken": "t",
        "Entries": [{"Cidr": "203.0.113.9/24", "Description": "the office"}, {"Cidr": "192.0.2.0/24"}],
        "TagSpecifications": [{"ResourceType": "prefix-list", "Tags": [{"Key": "k", "Value": "v"}]}],
    }  # fmt: skip
    one = ec2("CreateManagedPrefixList", **request)["PrefixList"]
    id = one["PrefixListId"]
    assert one == {
        "PrefixListId": id, "PrefixListName": "office", "AddressFamily": "IPv4", "MaxEntries": 3, "Version": 1,
        "OwnerId": "123456789012", "State": "create-in-progress", "Tags": [{"Key": "k", "Value": "v"}],
        "PrefixListArn": f"arn:aws:ec2:us-west-2:123456789012:prefix-list/{id}",
    }  # fmt: skip
    assert ec2("CreateManagedPrefixList", **request)["PrefixList"]["PrefixListId"] == id
    assert "IdempotentParameterMismatch" in ec2.error("CreateManagedPrefixList", **request | {"MaxEntries": 4})
    settle(ec2)
    assert shown(ec2, id)["State"] == "create-complete"
    assert ec2("GetManagedPrefixListEntries", PrefixListId=id)["Entries"] == [
        {"Cidr": "192.0.2.0/24"},
        {"Cidr": "203.0.113.0/24", "Description": "the office"},
    ]
    owners = [{"Name": "owner-id", "Values": ["123456789012"]}]
    assert [one["PrefixListId"] for one in ec2("DescribeManagedPrefixLists", Filters=owners)["PrefixLists"]] == [id]
    assert len(ec2("DescribeManagedPrefixLists")["PrefixLists"]) == 3
    assert len(ec2("DescribePrefixLists")["PrefixLists"]) == 2


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"PrefixListName": "com.amazonaws.mine"}, "InvalidParameterValue: Value (com.amazonaws.mine)"),
        ({"AddressFamily": "IPv5"}, "InvalidParameterValue: Value (IPv5) for parameter AddressFamily is invalid."),
        ({"MaxEntries": 0}, "InvalidParameterValue: Value (0) for parameter MaxEntries"),
        ({"MaxEntries": 1001}, "InvalidParameterValue: Value (1001) for parameter MaxEntries"),
        ({"Entries": [{"Cidr": "nonsense"}]}, "InvalidParameterValue: Value (nonsense) for parameter Cidr"),
        ({"Entries": [{"Cidr": "2001:db8::/32"}]}, "InvalidParameterValue: Value (2001:db8::/32)"),
        ({"Entries": [{"Cidr": f"10.0.{n}.0/24"} for n in range(3)]}, "PrefixListMaxEntriesExceeded: "),
        (
            {"Entries": [{"Cidr": f"10.0.{n}.0/24"} for n in range(101)], "MaxEntries": 200},
            "InvalidParameterValue: The number of entries per request cannot exceeds limit (100).",
        ),
        ({"Entries": [{"Cidr": "10.0.0.0/24"}, {"Cidr": "10.0.0.1/24"}]}, "InvalidParameterValue: Request cannot"),
    ],
)  # fmt: skip
def test_what_no_list_can_be(ec2: Any, members: dict[str, Any], error: str) -> None:
    request = {"PrefixListName": "mine", "AddressFamily": "IPv4", "MaxEntries": 2, **members}
    assert ec2.error("CreateManagedPrefixList", **request).startswith(error)


def test_entries_change_by_versions(ec2: Any) -> None:
    id = made(ec2, "10.1.0.0/16", "10.2.0.0/16")
    change = {"AddEntries": [{"Cidr": "10.3.0.0/16"}], "RemoveEntries": [{"Cidr": "10.1.0.0/16"}]}
    assert "MissingParameter" in ec2.error("ModifyManagedPrefixList", PrefixListId=id, **change)
    changed = ec2("ModifyManagedPrefixList", PrefixListId=id, CurrentVersion=1, **change)["PrefixList"]
    assert (changed["Version"], changed["State"]) == (2, "modify-in-progress")
    assert ec2.error("DeleteManagedPrefixList", PrefixListId=id) == (
        f"IncorrectState: The request cannot be completed while the prefix list ({id}) is in the current state "
        "(modify-in-progress)"
    )
    settle(ec2)
    assert ec2.error("ModifyManagedPrefixList", PrefixListId=id, CurrentVersion=1, **change) == (
        "PrefixListVersionMismatch: The prefix list has the incorrect version number."
    )
    assert entries(ec2, id) == ["10.2.0.0/16", "10.3.0.0/16"]
    assert entries(ec2, id, TargetVersion=1) == ["10.1.0.0/16", "10.2.0.0/16"]
    assert "InvalidParameterValue" in ec2.error("GetManagedPrefixListEntries", PrefixListId=id, TargetVersion=3)
    restored = ec2("RestoreManagedPrefixListVersion", PrefixListId=id, PreviousVersion=1, CurrentVersion=2)
    assert (restored["PrefixList"]["Version"], restored["PrefixList"]["State"]) == (3, "restore-in-progress")
    settle(ec2)
    assert entries(ec2, id) == ["10.1.0.0/16", "10.2.0.0/16"] and shown(ec2, id)["State"] == "restore-complete"
    wrong = {"PrefixListId": id, "PreviousVersion": 3, "CurrentVersion": 3}
    assert "InvalidParameterValue" in ec2.error("RestoreManagedPrefixListVersion", **wrong)


def test_modifications_that_are_refused(ec2: Any) -> None:
    id = made(ec2, "10.1.0.0/16", size=2)

    def refused(**members: Any) -> str:
        return str(ec2.error("ModifyManagedPrefixList", PrefixListId=id, CurrentVersion=1, **members))

    entry = [{"Cidr": "10.1.0.0/16"}]
    assert refused() == "InvalidParameterCombination: No modifications are specified for the prefix list."
    assert refused(AddEntries=entry) == (
        "InvalidPrefixListModification: An entry with the CIDR (10.1.0.0/16) and description () already exists."
    )
    assert refused(RemoveEntries=[{"Cidr": "10.9.0.0/16"}]).startswith("InvalidPrefixListModification")
    assert refused(AddEntries=entry, RemoveEntries=entry) == (
        "InvalidParameterValue: Request cannot contain Cidr 10.1.0.0/16 in both AddPrefixListEntries and "
        "RemovePrefixListEntries"
    )
    assert refused(AddEntries=[{"Cidr": "10.2.0.0/16"}], MaxEntries=3) == (
        "InvalidParameterCombination: You cannot modify the entries and the maximum entries for the prefix list in the "
        "same request."
    )
    many = [{"Cidr": f"10.{number}.0.0/16"} for number in (2, 3)]
    assert refused(AddEntries=many).startswith("PrefixListMaxEntriesExceeded")
    ec2("ModifyManagedPrefixList", PrefixListId=id, CurrentVersion=1, AddEntries=[entry[0] | {"Description": "new"}])
    settle(ec2)
    assert ec2("GetManagedPrefixListEntries", PrefixListId=id)["Entries"][0]["Description"] == "new"
    assert "OperationNotPermitted" in ec2.error("DeleteManagedPrefixList", PrefixListId="pl-68a54001")


def test_rules_and_routes_refer_to_a_list(ec2: Any) -> None:
    vpc = ec2.vpc()
    group, id = ec2.group(vpc), made(ec2, "10.1.0.0/16", size=20)
    permission = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": id, "Description": "ours"}]}
    ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[permission])
    table = ec2("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    route = {"RouteTableId": table, "DestinationPrefixListId": id, "GatewayId": gateway}
    ec2("CreateRoute", **route)
    assert ec2.error("CreateRoute", **route) == f"RouteAlreadyExists: The route identified by {id} already exists."
    ec2("ReplaceRoute", **route)
    routes = ec2("DescribeRouteTables", RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert routes[1] == {
        "DestinationPrefixListId": id, "GatewayId": gateway, "Origin": "CreateRoute", "State": "active",
    }  # fmt: skip
    users = ec2("GetManagedPrefixListAssociations", PrefixListId=id)["PrefixListAssociations"]
    assert users == [{"ResourceId": one, "ResourceOwner": "123456789012"} for one in sorted([group, table])]
    assert ec2.error("DeleteManagedPrefixList", PrefixListId=id).startswith("DependencyViolation")
    ec2("DeleteRoute", RouteTableId=table, DestinationPrefixListId=id)
    assert "InvalidRoute.NotFound" in ec2.error("DeleteRoute", RouteTableId=table, DestinationPrefixListId=id)
    ec2("RevokeSecurityGroupIngress", GroupId=group, IpPermissions=[permission])
    assert ec2("DeleteManagedPrefixList", PrefixListId=id)["PrefixList"]["State"] == "delete-in-progress"


def test_a_list_counts_as_often_as_it_may_have_entries(ec2: Any) -> None:
    vpc = ec2.vpc()
    group, id, other = ec2.group(vpc), made(ec2, size=50), made(ec2, size=11)

    def authorize(prefix_list: str) -> dict[str, Any]:
        peers = [{"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": prefix_list}]}]
        return {"GroupId": group, "IpPermissions": peers}

    ec2("AuthorizeSecurityGroupIngress", **authorize(id))
    assert ec2.error("AuthorizeSecurityGroupIngress", **authorize(other)).startswith(
        "RulesPerSecurityGroupLimitExceeded"
    )
    ec2("AuthorizeSecurityGroupIngress", **authorize("pl-68a54001"))
    ec2("ModifyManagedPrefixList", PrefixListId=id, MaxEntries=60)
    settle(ec2)
    failed = shown(ec2, id)
    assert (failed["State"], failed["MaxEntries"], failed["Version"]) == ("modify-failed", 50, 1)
    assert group in failed["StateMessage"]
    ec2("ModifyManagedPrefixList", PrefixListId=id, MaxEntries=59)
    settle(ec2)
    assert (shown(ec2, id)["State"], shown(ec2, id)["MaxEntries"]) == ("modify-complete", 59)


def test_routes_through_a_list_count_too(ec2: Any) -> None:
    vpc = ec2.vpc()
    table = ec2("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    route = {"RouteTableId": table, "GatewayId": gateway}
    ec2("CreateRoute", DestinationPrefixListId=made(ec2, size=499), **route)
    assert ec2.error("CreateRoute", DestinationCidrBlock="0.0.0.0/0", **route).startswith("RouteLimitExceeded")
    six = made(ec2, "2001:db8::/32", AddressFamily="IPv6")
    assert "NotImplemented" in ec2.error("CreateRoute", DestinationPrefixListId=six, **route)

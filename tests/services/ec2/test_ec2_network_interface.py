"""Network interfaces: addresses, how they look, who may attach and change them."""

from typing import Any

import pytest

from ringfence.core.call import Principal
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import NetworkInterfacePermission
from ringfence.resources.instance import Instance
from ringfence.services.ec2.network_interface import attach, detach

SERVICE = "770088000000"


def _interface(ec2: Any, id: str) -> dict[str, Any]:
    return dict(ec2("DescribeNetworkInterfaces", NetworkInterfaceIds=[id])["NetworkInterfaces"][0])


def _make(ec2: Any, subnet: str, **more: Any) -> str:
    return str(ec2("CreateNetworkInterface", SubnetId=subnet, **more)["NetworkInterface"]["NetworkInterfaceId"])


def test_addresses_skip_the_five_reserved(ec2: Any) -> None:
    subnet = ec2.subnet(ec2.vpc(), "10.0.1.0/28")
    made = [_make(ec2, subnet) for _ in range(11)]
    found = [_interface(ec2, id)["PrivateIpAddress"] for id in made]
    assert found == [f"10.0.1.{last}" for last in range(4, 15)]
    assert ec2.error("CreateNetworkInterface", SubnetId=subnet) == (
        "InsufficientFreeAddressesInSubnet: The specified subnet does not have enough free addresses to satisfy the "
        "request."
    )
    assert ec2("DescribeSubnets")["Subnets"][0]["AvailableIpAddressCount"] == 0
    ec2("DeleteNetworkInterface", NetworkInterfaceId=made[3])
    assert _interface(ec2, _make(ec2, subnet))["PrivateIpAddress"] == "10.0.1.7"


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("10.0.2.9", "InvalidParameterValue: Address 10.0.2.9 does not fall within the subnet's address range"),
        ("10.0.1.0", "InvalidParameterValue: Address 10.0.1.0 is in subnet's reserved address range"),
        ("10.0.1.3", "InvalidParameterValue: Address 10.0.1.3 is in subnet's reserved address range"),
        ("10.0.1.255", "InvalidParameterValue: Address 10.0.1.255 is in subnet's reserved address range"),
        ("10.0.1.50", "InvalidIPAddress.InUse: Address 10.0.1.50 is in use."),
        ("ten", "InvalidParameterValue: Value (ten/32) for parameter address is invalid."),
    ],
)
def test_chosen_addresses(ec2: Any, address: str, error: str) -> None:
    subnet = ec2.subnet(ec2.vpc())
    _make(ec2, subnet, PrivateIpAddresses=[{"PrivateIpAddress": "10.0.1.50", "Primary": True}])
    found = ec2.error("CreateNetworkInterface", SubnetId=subnet, PrivateIpAddress=address)
    assert found.startswith(error)


def test_an_interface_of_sagemakers_as_aws_shows_it(ec2: Any) -> None:
    vpc = ec2.vpc()
    subnet, group = ec2.subnet(vpc), ec2.group(vpc)
    role = "arn:aws:iam::123456789012:role/R"
    session = Principal(
        kind="role",
        account="123456789012",
        arn="arn:aws:sts::123456789012:assumed-role/R/SageMaker",
        id="AROAEXAMPLEEXAMPLE123:SageMaker",
        role_arn=role,
        session_name="SageMaker",
    )
    id = _make(ec2, subnet, principal=session, Groups=[group], Description="d")
    shown = _interface(ec2, id)
    assert shown["RequesterId"] == session.id and shown["RequesterManaged"] is False
    assert shown["Status"] == "available" and "Attachment" not in shown and "PrivateDnsName" not in shown
    assert shown["InterfaceType"] == "interface" and shown["MacAddress"].startswith("02:")
    assert shown["Groups"] == [{"GroupId": group, "GroupName": "web"}] and shown["SourceDestCheck"] is True
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    assert _interface(ec2, id)["PrivateDnsName"] == "ip-10-0-1-4.us-west-2.compute.internal"


def test_a_service_attaches_by_permission(ec2: Any) -> None:
    id = _make(ec2, ec2.subnet(ec2.vpc()))
    with pytest.raises(ServiceError, match="AuthFailure"), ec2.store.transaction() as records:
        attach(records, id, "i-0", ec2.call(records).now, ec2.entropy, SERVICE)
    given = {"NetworkInterfaceId": id, "AwsAccountId": SERVICE, "Permission": "INSTANCE-ATTACH"}
    permission = ec2("CreateNetworkInterfacePermission", **given)["InterfacePermission"]
    assert permission["PermissionState"] == {"State": "granted"}
    assert "InvalidPermission.Duplicate" in ec2.error("CreateNetworkInterfacePermission", **given)
    with ec2.store.transaction() as records:
        attach(records, id, "i-0", ec2.call(records).now, ec2.entropy, SERVICE)
    shown = _interface(ec2, id)
    assert shown["Status"] == "in-use" and shown["Attachment"]["InstanceOwnerId"] == SERVICE
    assert shown["Attachment"]["AttachmentId"].startswith("eni-attach-0") and "InstanceId" not in shown["Attachment"]
    assert ec2.error("DeleteNetworkInterface", NetworkInterfaceId=id) == (
        f"InvalidParameterValue: Network interface '{id}' is currently in use."
    )
    named = permission["NetworkInterfacePermissionId"]
    assert "OperationNotPermitted" in ec2.error("DeleteNetworkInterfacePermission", NetworkInterfacePermissionId=named)
    with ec2.store.transaction() as records:
        detach(records, id)
    ec2("DeleteNetworkInterface", NetworkInterfaceId=id)
    assert ec2("DescribeNetworkInterfacePermissions")["NetworkInterfacePermissions"] == []


def test_nobody_else_attaches_or_detaches(ec2: Any) -> None:
    """AttachNetworkInterface and DetachNetworkInterface say the truth: nothing of the caller could be attached to."""
    subnet = ec2.subnet(ec2.vpc())
    own, services = _make(ec2, subnet), _make(ec2, subnet)
    attaching = {"NetworkInterfaceId": own, "InstanceId": "i-0123456789abcdef0", "DeviceIndex": 1}
    assert ec2.error("AttachNetworkInterface", **attaching) == (
        "InvalidInstanceID.NotFound: The instance ID 'i-0123456789abcdef0' does not exist"
    )
    assert "InvalidInstanceID.Malformed" in ec2.error("AttachNetworkInterface", **attaching | {"InstanceId": "x"})
    with ec2.store.transaction() as records:
        now = ec2.call(records).now
        records.put(
            Instance(id="i-0123456789abcdef0", account="123456789012", region="us-west-2", owner="x", network="vpc")
        )
        attach(records, own, "i-0123456789abcdef0", now, ec2.entropy)
        records.put(
            NetworkInterfacePermission(
                id="eni-perm-1", account="123456789012", region="us-west-2", network_interface_id=services,
                aws_account_id=SERVICE, aws_service=None, permission="INSTANCE-ATTACH",
            )
        )  # fmt: skip
        attach(records, services, "i-1", now, ec2.entropy, SERVICE)
    assert "currently in use" in ec2.error("AttachNetworkInterface", **attaching)
    free = attaching | {"NetworkInterfaceId": _make(ec2, subnet)}
    assert "OperationNotPermitted: The instance 'i-0123456789abcdef0'" in ec2.error("AttachNetworkInterface", **free)
    attachments = {id: _interface(ec2, id)["Attachment"]["AttachmentId"] for id in (own, services)}
    assert own in ec2.error("DetachNetworkInterface", AttachmentId=attachments[own], Force=True)
    assert ec2.error("DetachNetworkInterface", AttachmentId=attachments[services]) == (
        "OperationNotPermitted: You are not allowed to manage 'ela-attach' attachments."
    )
    assert ec2.error("DetachNetworkInterface", AttachmentId="eni-attach-0") == (
        "InvalidAttachmentID.NotFound: The attachment ID 'eni-attach-0' does not exist"
    )


def test_the_check_is_reset(ec2: Any) -> None:
    id = _make(ec2, ec2.subnet(ec2.vpc()))
    ec2("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=id, SourceDestCheck={"Value": False})
    assert _interface(ec2, id)["SourceDestCheck"] is False
    assert "MissingParameter" in ec2.error("ResetNetworkInterfaceAttribute", NetworkInterfaceId=id)
    ec2("ResetNetworkInterfaceAttribute", NetworkInterfaceId=id, SourceDestCheck="true")
    assert _interface(ec2, id)["SourceDestCheck"] is True


def test_what_is_in_use_stays(ec2: Any) -> None:
    vpc = ec2.vpc()
    subnet, group = ec2.subnet(vpc), ec2.group(vpc)
    _make(ec2, subnet, Groups=[group])
    assert ec2.error("DeleteSubnet", SubnetId=subnet) == (
        f"DependencyViolation: The subnet '{subnet}' has dependencies and cannot be deleted."
    )
    assert ec2.error("DeleteSecurityGroup", GroupId=group) == (
        f"DependencyViolation: resource {group} has a dependent object"
    )


def test_groups(ec2: Any) -> None:
    vpc = ec2.vpc()
    subnet, other = ec2.subnet(vpc), ec2.group(ec2.vpc("10.1.0.0/16"))
    id = _make(ec2, subnet)
    assert _interface(ec2, id)["Groups"][0]["GroupName"] == "default"
    assert ec2.error("CreateNetworkInterface", SubnetId=subnet, Groups=[other]) == (
        f"InvalidParameter: Security group {other} and subnet {subnet} belong to different networks."
    )
    many = [ec2.group(vpc, f"g{number}") for number in range(6)]
    assert "SecurityGroupsPerInterfaceLimitExceeded" in ec2.error(
        "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=id, Groups=many
    )
    ec2("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=id, Groups=many[:2])
    assert [one["GroupId"] for one in _interface(ec2, id)["Groups"]] == many[:2]
    shown = ec2("DescribeNetworkInterfaceAttribute", NetworkInterfaceId=id, Attribute="groupSet")
    assert len(shown["Groups"]) == 2


def test_a_client_token_makes_one(ec2: Any) -> None:
    subnet = ec2.subnet(ec2.vpc())
    first, second = (_make(ec2, subnet, ClientToken="t") for _ in range(2))
    assert first == second
    assert "IdempotentParameterMismatch" in ec2.error(
        "CreateNetworkInterface", SubnetId=subnet, ClientToken="t", Description="other"
    )


def test_filters(ec2: Any) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc)
    first, second = _make(ec2, subnet, Description="one of ours"), _make(ec2, subnet, Description="two")
    with ec2.store.transaction() as records:
        attach(records, second, "i-0", ec2.call(records).now, ec2.entropy)

    def found(name: str, value: str) -> list[str]:
        filters = [{"Name": name, "Values": [value]}]
        return [
            one["NetworkInterfaceId"] for one in ec2("DescribeNetworkInterfaces", Filters=filters)["NetworkInterfaces"]
        ]

    assert found("description", "*of ours") == [first]
    assert found("status", "in-use") == [second] == found("attachment.instance-id", "i-0")
    assert found("addresses.private-ip-address", "10.0.1.4") == [first]
    assert found("group-name", "default") == sorted([first, second])
    assert found("attachment.attach-time", "2026-01-02T03:04:05.000Z") == [second]

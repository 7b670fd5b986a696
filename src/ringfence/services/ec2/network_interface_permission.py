"""Permissions on network interfaces: who else may attach them to instances. SageMaker asks for one at each launch."""

import re

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import NetworkInterface, NetworkInterfacePermission
from ringfence.services.ec2 import noun
from ringfence.services.ec2.listing import Filters, describe, paged
from ringfence.services.ec2.operation import operation


@operation(
    "CreateNetworkInterfacePermission",
    takes="NetworkInterfaceId AwsAccountId AwsService Permission",
    on=("network-interface/{NetworkInterfaceId}",),
    keys={"ec2:Permission": "Permission", "ec2:AuthorizedService": "AwsService"},
)
def create_network_interface_permission(call: Call, request: Request) -> Result:
    interface = noun.find(call, NetworkInterface, request["NetworkInterfaceId"])
    if interface.requester_managed:
        raise ServiceError("OperationNotPermitted", "You cannot grant permissions on a requester-managed interface.")
    account, service = request.get("AwsAccountId") or None, request.get("AwsService") or None
    if (account is None) == (service is None):
        raise ServiceError("InvalidParameterCombination", "Specify exactly one of awsAccountId and awsService.")
    if account is not None and not re.fullmatch("[0-9]{12}", account):
        raise ServiceError("InvalidParameterValue", f"Value ({account}) for parameter awsAccountId is invalid.")
    if request["Permission"] not in ("INSTANCE-ATTACH", "EIP-ASSOCIATE"):
        raise ServiceError(
            "InvalidParameterValue", f"Value ({request['Permission']}) for parameter permission is invalid."
        )
    permission = NetworkInterfacePermission(
        id=call.new_id("eni-perm"),
        account=call.account,
        region=call.region,
        network_interface_id=interface.id,
        aws_account_id=account,
        aws_service=service,
        permission=request["Permission"],
    )
    _refuse_second(call, permission)
    call.records.put(permission)
    return {"InterfacePermission": _described(permission)}


def _refuse_second(call: Call, wanted: NetworkInterfacePermission) -> None:
    """Only one account at a time may hold a permission on an interface.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkInterfacePermission.html
    """
    for known in noun.mine(call, NetworkInterfacePermission):
        if (known.network_interface_id, known.permission) == (wanted.network_interface_id, wanted.permission):
            raise ServiceError(
                "InvalidPermission.Duplicate", f"The permission '{wanted.permission}' was granted already: {known.id}"
            )


def _interface_of(call: Call, request: Request) -> list[str]:
    """The interface that the permission is for; all of them if there is no such permission."""
    id = request["NetworkInterfacePermissionId"]
    found = [one.network_interface_id for one in noun.mine(call, NetworkInterfacePermission) if one.id == id]
    return [call.arn("ec2", f"network-interface/{found[0] if found else '*'}")]


@operation("DeleteNetworkInterfacePermission", takes="NetworkInterfacePermissionId Force", on=_interface_of)
def delete_network_interface_permission(call: Call, request: Request) -> Result:
    permission = noun.find(call, NetworkInterfacePermission, request["NetworkInterfacePermissionId"])
    interface = call.records.get(NetworkInterface, permission.network_interface_id)
    attachment = interface.attachment if interface is not None else None
    used = attachment is not None and attachment.instance_owner == permission.aws_account_id
    if used and not request.get("Force"):
        raise ServiceError(
            "OperationNotPermitted",
            f"The network interface '{permission.network_interface_id}' is attached by the account that holds "
            f"the permission '{permission.id}'.",
        )
    call.records.delete(permission)
    return {"Return": True}


_FILTERS: Filters = {
    "network-interface-permission.network-interface-permission-id": lambda call, item: item.id,
    "network-interface-permission.network-interface-id": lambda call, item: item.network_interface_id,
    "network-interface-permission.aws-account-id": lambda call, item: item.aws_account_id,
    "network-interface-permission.aws-service": lambda call, item: item.aws_service,
    "network-interface-permission.permission": lambda call, item: item.permission,
}


@operation("DescribeNetworkInterfacePermissions", takes="NetworkInterfacePermissionIds Filters MaxResults NextToken")
def describe_network_interface_permissions(call: Call, request: Request) -> Result:
    found, token = describe(
        call, request, NetworkInterfacePermission, ids="NetworkInterfacePermissionIds", filters=_FILTERS
    )
    return paged("NetworkInterfacePermissions", [_described(permission) for permission in found], token)


def _described(permission: NetworkInterfacePermission) -> Result:
    members = {
        "NetworkInterfacePermissionId": permission.id,
        "NetworkInterfaceId": permission.network_interface_id,
        "AwsAccountId": permission.aws_account_id,
        "AwsService": permission.aws_service,
        "Permission": permission.permission,
    }
    shown: Result = {name: value for name, value in members.items() if value is not None}
    return shown | {"PermissionState": {"State": "granted"}}

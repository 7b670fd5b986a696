"""Notebook instances: JupyterLab on an instance of one's own, with a volume that outlives its stops.

https://docs.aws.amazon.com/sagemaker/latest/dg/nbi.html
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from ringfence.core import ids
from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.tags import set_tags
from ringfence.resources.notebook import (
    NotebookInstance,
    NotebookOpening,
    NotebookSession,
    NotebookUrl,
)
from ringfence.services.sagemaker import notebook_authorization as authorization
from ringfence.services.sagemaker.execution_role import find_role, not_assumable
from ringfence.services.sagemaker.instance_limit import check_instance_limit
from ringfence.services.sagemaker.listing import filtered, owned, sorted_page
from ringfence.services.sagemaker.lookup import arn_of, find
from ringfence.services.sagemaker.notebook_instance_lifecycle_config import find_lifecycle_config
from ringfence.services.sagemaker.notebook_state import ENDED, find_in, modified_of, notebook_state, notebook_status
from ringfence.services.sagemaker.refusal import invalid, refuse_others
from ringfence.services.sagemaker.studio import with_token
from ringfence.services.sagemaker.tag import read_tags
from ringfence.services.sagemaker.vpc_config import check_vpc_config

_ON = authorization.ON
_CREATE = frozenset(
    {
        "NotebookInstanceName", "InstanceType", "SubnetId", "SecurityGroupIds", "RoleArn", "Tags",
        "LifecycleConfigName", "DirectInternetAccess", "VolumeSizeInGB", "RootAccess", "PlatformIdentifier",
        "InstanceMetadataServiceConfiguration",
    }
)  # fmt: skip
_UPDATE = frozenset(
    {
        "NotebookInstanceName", "InstanceType", "RoleArn", "LifecycleConfigName", "DisassociateLifecycleConfig",
        "VolumeSizeInGB", "RootAccess", "PlatformIdentifier", "InstanceMetadataServiceConfiguration",
    }
)  # fmt: skip
_HARMLESS: dict[str, Any] = {
    "IpAddressType": "ipv4",
    "AcceleratorTypes": [],
    "AdditionalCodeRepositories": [],
    "DisassociateAcceleratorTypes": False,
    "DisassociateDefaultCodeRepository": False,
    "DisassociateAdditionalCodeRepositories": False,
}
# JupyterLab 4, as `make studio` installs it; the others have older ones.
# https://docs.aws.amazon.com/sagemaker/latest/dg/nbi-jl.html
_PLATFORMS = ("notebook-al2023-v1", "notebook-al2023-v2", "notebook-al2-v3")
_VOLUME_GB = 5
_LONGEST_LABEL = 63


@operation(
    "CreateNotebookInstance",
    on=(_ON,),
    keys=authorization.CREATE_KEYS,
    passes=authorization.PASSED,
    also=authorization.CREATE_ALSO,
)
def create_notebook_instance(call: Call, request: Request) -> Result:
    refuse_others(request, _CREATE, harmless=_HARMLESS)
    name = request["NotebookInstanceName"]
    arn = arn_of(call, NotebookInstance, name)
    if call.records.get(NotebookInstance, call.scoped(name)) is not None:
        # as other implementations of this API have it
        raise invalid(f"Cannot create a duplicate Notebook Instance ({arn})")
    check_instance_limit(request["InstanceType"], 1, "notebook instance")
    _check_network(call, request)
    given = _settings(call, request, arn)
    tags = read_tags(request)
    notebook = NotebookInstance(
        name=name,
        account=call.account,
        region=call.region,
        arn=arn,
        created=call.now,
        modified=call.now,
        host=_host(call, name, arn),
        volume_id=call.new_id("vol"),
        launch=ids.uuid4(call.entropy),
        subnet_id=request.get("SubnetId"),
        group_ids=tuple(request.get("SecurityGroupIds", ())),
        direct_internet_access=request.get("DirectInternetAccess", "Enabled"),
        **{"volume_gb": _VOLUME_GB, "platform": _PLATFORMS[0], **given},
    )
    call.records.put(notebook)
    set_tags(call.records, arn, tags)
    return {"NotebookInstanceArn": arn}


@operation("DescribeNotebookInstance", on=(_ON,), takes="NotebookInstanceName")
def describe_notebook_instance(call: Call, request: Request) -> Result:
    notebook = find(call, NotebookInstance, request["NotebookInstanceName"])
    status = notebook_status(call.records, notebook)
    shown: Result = {
        **_summary(call, notebook),
        "SecurityGroups": list(notebook.group_ids),
        "RoleArn": notebook.role_arn,
        "DirectInternetAccess": notebook.direct_internet_access,
        "VolumeSizeInGB": notebook.volume_gb,
        "RootAccess": notebook.root_access,
        "PlatformIdentifier": notebook.platform,
        "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": notebook.metadata_version},
        "IpAddressType": "ipv4",
    }
    optional = {
        "SubnetId": notebook.subnet_id,
        "NetworkInterfaceId": status.interface_id if status is not None else None,
        "FailureReason": status.failure_reason if status is not None and shown[_STATUS] == "Failed" else None,
    }
    return {**shown, **{member: value for member, value in optional.items() if value}}


@operation(
    "ListNotebookInstances",
    takes="NextToken MaxResults SortBy SortOrder NameContains CreationTimeBefore CreationTimeAfter "
    "LastModifiedTimeBefore LastModifiedTimeAfter StatusEquals NotebookInstanceLifecycleConfigNameContains "
    "DefaultCodeRepositoryContains AdditionalCodeRepositoryEquals",
)
def list_notebook_instances(call: Call, request: Request) -> Result:
    """No instance has a code repository, so that a filter for one finds none."""

    def state(notebook: NotebookInstance) -> str:
        return notebook_state(call.records, notebook)

    found = filtered(owned(call, NotebookInstance), request, lambda one: modified_of(call.records, one))
    config, status = request.get("NotebookInstanceLifecycleConfigNameContains"), request.get("StatusEquals")
    with_code = "DefaultCodeRepositoryContains" in request or "AdditionalCodeRepositoryEquals" in request
    kept = [
        one
        for one in found
        if not with_code
        and (config is None or config in (one.lifecycle_config or ""))
        and (status is None or state(one) == status)
    ]
    # "The field to sort results by. The default is Name."
    notebooks, token = sorted_page(kept, request, state, "Ascending", "Name")
    return with_token("NotebookInstances", [_summary(call, one) for one in notebooks], token)


@operation("UpdateNotebookInstance", on=(_ON,), keys=authorization.KEYS, passes=authorization.PASSED)
def update_notebook_instance(call: Call, request: Request) -> Result:
    """While it is stopped; a change holds from its next start."""
    refuse_others(request, _UPDATE, harmless=_HARMLESS)
    notebook = find_in(call, request["NotebookInstanceName"], ENDED, "Updating")
    if "InstanceType" in request:
        check_instance_limit(request["InstanceType"], 1, "notebook instance")
    changes = _settings(call, request, notebook.arn)
    if changes.get("volume_gb", notebook.volume_gb) < notebook.volume_gb:
        # "you can't decrease the volume size"; the text is ours
        raise invalid(
            f"The volume of Notebook Instance ({notebook.arn}) has {notebook.volume_gb} GB: it cannot be decreased to "
            f"{changes['volume_gb']} GB."
        )
    if request.get("DisassociateLifecycleConfig"):
        if "lifecycle_config" in changes:
            raise invalid("LifecycleConfigName and DisassociateLifecycleConfig cannot be specified together.")
        changes["lifecycle_config"] = None
    call.records.put(
        msgspec.structs.replace(notebook, modified=call.now, generation=notebook.generation + 1, **changes)
    )
    return {}


@operation("StartNotebookInstance", on=(_ON,), takes="NotebookInstanceName")
def start_notebook_instance(call: Call, request: Request) -> Result:
    notebook = find_in(call, request["NotebookInstanceName"], ENDED, "Pending")
    launch = ids.uuid4(call.entropy)
    call.records.put(msgspec.structs.replace(notebook, launch=launch, stopping=False, modified=call.now))
    return {}


@operation("StopNotebookInstance", on=(_ON,), takes="NotebookInstanceName")
def stop_notebook_instance(call: Call, request: Request) -> Result:
    notebook = find_in(call, request["NotebookInstanceName"], ("InService",), "Stopping")
    call.records.put(msgspec.structs.replace(notebook, stopping=True, modified=call.now))
    return {}


@operation("DeleteNotebookInstance", on=(_ON,), takes="NotebookInstanceName")
def delete_notebook_instance(call: Call, request: Request) -> Result:
    """The reconciler takes away its volume and its interface, and then this record."""
    notebook = find_in(call, request["NotebookInstanceName"], ENDED, "Deleting")
    openings: list[NotebookOpening] = [*call.records.all(NotebookUrl), *call.records.all(NotebookSession)]
    for one in openings:
        if one.notebook == notebook.arn:
            call.records.delete(one)
    call.records.put(msgspec.structs.replace(notebook, deleting=True, modified=call.now))
    return {}


_STATUS = "NotebookInstanceStatus"


def _settings(call: Call, request: Request, arn: str) -> dict[str, Any]:
    """What an update may change too, of what the request gives: fields of the record."""
    role, platform = request.get("RoleArn"), request.get("PlatformIdentifier")
    if role is not None and find_role(call, role, arn) is None:
        raise not_assumable(role)
    if platform is not None and platform not in _PLATFORMS:
        raise invalid(f"Ringfence does not implement PlatformIdentifier {platform}: use {', '.join(_PLATFORMS)}.")
    if config := request.get("LifecycleConfigName"):
        find_lifecycle_config(call, config, "describe")
    given = {
        "instance_type": request.get("InstanceType"),
        "role_arn": role,
        "lifecycle_config": config or None,
        "volume_gb": request.get("VolumeSizeInGB"),
        "root_access": request.get("RootAccess"),
        "platform": platform,
        "metadata_version": request.get("InstanceMetadataServiceConfiguration", {}).get(
            "MinimumInstanceMetadataServiceVersion"
        ),
    }
    return {field: value for field, value in given.items() if value is not None}


def _check_network(call: Call, request: Request) -> None:
    """The texts are ours, but for those of the subnet and the groups."""
    subnet, groups = request.get("SubnetId"), request.get("SecurityGroupIds")
    if subnet is None:
        if groups:
            raise invalid("SecurityGroupIds can be specified only with SubnetId.")
        if request.get("DirectInternetAccess") == "Disabled":
            # "You can set the value of this parameter to Disabled only if you set a value for the SubnetId parameter."
            raise invalid("DirectInternetAccess can be Disabled only if SubnetId is specified.")
        return
    if not groups:
        raise invalid("SecurityGroupIds is required when SubnetId is specified.")
    check_vpc_config(call, {"Subnets": [subnet], "SecurityGroupIds": groups})


def _host(call: Call, name: str, arn: str) -> str:
    """The first label of its name in the browser: names know no case, and other accounts may have the same name."""
    taken = set(_hosts(call))
    if name.lower() not in taken:
        return name.lower()
    suffix = hashlib.sha256(arn.encode()).hexdigest()[:4]
    return f"{name.lower()[: _LONGEST_LABEL - 5].rstrip('-')}-{suffix}"


def _hosts(call: Call) -> Iterator[str]:
    return (one.host for one in call.records.all(NotebookInstance) if one.region == call.region)


def _summary(call: Call, notebook: NotebookInstance) -> Result:
    shown: Result = {
        "NotebookInstanceArn": notebook.arn,
        "NotebookInstanceName": notebook.name,
        _STATUS: notebook_state(call.records, notebook),
        "Url": notebook.domain,
        "InstanceType": notebook.instance_type,
        "CreationTime": notebook.created,
        "LastModifiedTime": modified_of(call.records, notebook),
    }
    config = notebook.lifecycle_config
    return {**shown, **({"NotebookInstanceLifecycleConfigName": config} if config else {})}

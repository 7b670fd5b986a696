"""Studio's domains: a VPC, its users' defaults, a file system of home directories.

https://docs.aws.amazon.com/sagemaker/latest/dg/gs-studio-onboard.html
"""

from typing import Any

import msgspec

from ringfence.core import ids
from ringfence.core.arn import make_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.tags import set_tags
from ringfence.resources.ec2 import Vpc
from ringfence.resources.iam import Role
from ringfence.resources.studio import App, Domain, DomainStatus, Space, UserProfile
from ringfence.services.sagemaker.listing import owned
from ringfence.services.sagemaker.refusal import invalid, null_member, refuse_others
from ringfence.services.sagemaker.service_linked_role import ROLE_NAME, ROLE_PATH, ensure_role
from ringfence.services.sagemaker.studio import (
    app_state,
    associated,
    check_settled,
    domain_state,
    find_domain,
    in_use,
    listed,
    modified_of,
    owners_of,
    settings_keys,
    with_token,
)
from ringfence.services.sagemaker.studio_settings import (
    check_default_space_settings,
    check_network,
    check_user_settings,
)
from ringfence.services.sagemaker.tag import read_tags, tagging_action, tagging_resources

_SETTINGS = ("DefaultUserSettings", "DefaultSpaceSettings", "DomainSettings")
_CREATE = frozenset({"DomainName", "AuthMode", "SubnetIds", "VpcId", "Tags", "AppNetworkAccessType", *_SETTINGS})
_UPDATE = frozenset(
    {"DomainId", "SubnetIds", "VpcId", "AppNetworkAccessType", "DefaultUserSettings", "DefaultSpaceSettings"}
)
_HARMLESS: dict[str, Any] = {
    "HomeEfsFileSystemKmsKeyId": "",
    "KmsKeyId": "",
    "AppSecurityGroupManagement": "Service",
    "HomeEfsFileSystemCreation": "Enabled",
    "TagPropagation": "DISABLED",
}
# SecurityGroupIds are for apps of the whole domain (RStudio's), of which there are none here: checked and shown
_DOMAIN_SETTINGS = frozenset({"SecurityGroupIds"})
_DOMAIN_HARMLESS: dict[str, Any] = {
    "ExecutionRoleIdentityConfig": "DISABLED",
    "DockerSettings": {"EnableDockerAccess": "DISABLED"},
    "IpAddressType": "ipv4",
}
_ACCESS = "PublicInternetOnly"
_PASSED = {
    "DefaultUserSettings.ExecutionRole": "sagemaker.amazonaws.com",
    "DefaultSpaceSettings.ExecutionRole": "sagemaker.amazonaws.com",
}
_KEYS = {
    "sagemaker:AppNetworkAccessType": "AppNetworkAccessType",
    "sagemaker:DomainSharingOutputKmsKeyArn": "DefaultUserSettings.SharingSettings.S3KmsKeyId",
    "sagemaker:VpcSecurityGroupIds": "DefaultUserSettings.SecurityGroups",
    "sagemaker:VpcSubnets": "SubnetIds",
    **settings_keys(),
}


def _service_linked_role(call: Call, request: Request) -> list[str]:
    """The first domain of an account makes SageMaker's role, which takes the right to."""
    if call.records.get(Role, f"{call.account}/{ROLE_NAME.lower()}") is not None:
        return []
    return [make_arn("iam", "", call.account, f"role{ROLE_PATH}{ROLE_NAME}")]


@operation(
    "CreateDomain",
    on=("domain/*",),
    keys={
        "sagemaker:AuthMode": "AuthMode",
        "sagemaker:VolumeKmsKeyArn": "KmsKeyId",
        "iam:AWSServiceName": lambda call, request: ["sagemaker.amazonaws.com"],
        **_KEYS,
        # what will hold: a Deny of PublicInternetOnly is to stop a request that leaves it to that default
        "sagemaker:AppNetworkAccessType": lambda call, request: [request.get("AppNetworkAccessType", _ACCESS)],
        **tagging_action("CreateDomain"),
    },
    passes=_PASSED,
    also=(
        ("sagemaker:AddTags", tagging_resources("domain/*")),
        ("iam:CreateServiceLinkedRole", _service_linked_role),
    ),
)
def create_domain(call: Call, request: Request) -> Result:
    refuse_others(request, _CREATE, harmless=_HARMLESS)
    for member in ("SubnetIds", "VpcId"):
        if not request.get(member):
            raise null_member(f"{member[0].lower()}{member[1:]}")
    access = request.get("AppNetworkAccessType", _ACCESS)
    _check(call, request, request["VpcId"], request["SubnetIds"], access)
    if "ExecutionRole" not in request["DefaultUserSettings"]:
        raise null_member("defaultUserSettings.executionRole")
    tags = read_tags(request)
    id = f"d-{ids.lower_id(12, call.entropy)}"
    domain = Domain(
        id=id,
        name=request["DomainName"],
        account=call.account,
        region=call.region,
        arn=call.arn("sagemaker", f"domain/{id}"),
        created=call.now,
        modified=call.now,
        file_system_id=call.new_id("fs"),
        auth_mode=request["AuthMode"],
        vpc_id=request["VpcId"],
        subnet_ids=tuple(dict.fromkeys(request["SubnetIds"])),
        access=access,
        spec={member: request[member] for member in _SETTINGS if member in request},
    )
    ensure_role(call)
    call.records.put(domain)
    set_tags(call.records, domain.arn, tags)
    return {"DomainArn": domain.arn, "DomainId": id, "Url": url_of(domain)}


@operation("DescribeDomain", on=("domain/{DomainId}",))
def describe_domain(call: Call, request: Request) -> Result:
    domain = find_domain(call, request["DomainId"])
    status = call.records.get(DomainStatus, domain.key)
    shown: Result = {
        "DomainArn": domain.arn,
        "DomainId": domain.id,
        "DomainName": domain.name,
        "HomeEfsFileSystemId": domain.file_system_id,
        "HomeEfsFileSystemCreation": "Enabled",
        "TagPropagation": "DISABLED",
        "Status": domain_state(call.records, domain),
        "CreationTime": domain.created,
        "LastModifiedTime": modified_of(domain, status),
        "AuthMode": domain.auth_mode,
        **domain.spec,
        "AppNetworkAccessType": domain.access,
        "SubnetIds": list(domain.subnet_ids),
        "VpcId": domain.vpc_id,
        "Url": url_of(domain),
    }
    if status is not None and status.failure_reason:
        shown["FailureReason"] = status.failure_reason
    return shown


@operation("UpdateDomain", on=("domain/{DomainId}",), keys=_KEYS, passes=_PASSED)
def update_domain(call: Call, request: Request) -> Result:
    """AWS changes subnets of a VPC, never the VPC; how apps reach the network only while there are none."""
    domain = find_domain(call, request["DomainId"])
    harmless = {name: _HARMLESS[name] for name in _HARMLESS if not name.endswith("KeyId")}
    refuse_others(request, _UPDATE, harmless=harmless)
    check_settled("Domain", domain.id, domain_state(call.records, domain))
    if request.get("VpcId", domain.vpc_id) != domain.vpc_id:
        raise invalid(f"Ringfence does not implement a change of VpcId: Domain [{domain.id}] is in {domain.vpc_id}.")
    access, subnets = request.get("AppNetworkAccessType", domain.access), request.get("SubnetIds", domain.subnet_ids)
    spec = {**domain.spec}
    for member in ("DefaultUserSettings", "DefaultSpaceSettings"):
        if member in request:
            spec[member] = {**spec.get(member, {}), **request[member]}
    _check(call, spec, domain.vpc_id, list(subnets), access)
    gone = [one for one in domain.subnet_ids if one not in subnets]
    if (access != domain.access or gone) and _has_apps(call, domain):
        # "if there are no apps in the InService, Pending, or Deleting state"; the text is ours
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateDomain.html
        what = "AppNetworkAccessType cannot be changed" if access != domain.access else f"{gone[0]} cannot be removed"
        raise in_use(f"{what} while Domain [{domain.id}] has apps that are Pending, InService or Deleting.")
    call.records.put(
        msgspec.structs.replace(
            domain,
            access=access,
            subnet_ids=tuple(dict.fromkeys(subnets)),
            spec=spec,
            modified=call.now,
            generation=domain.generation + 1,
        )
    )
    return {"DomainArn": domain.arn}


@operation("DeleteDomain", on=("domain/{DomainId}",), takes="DomainId RetentionPolicy")
def delete_domain(call: Call, request: Request) -> Result:
    """Apps, spaces and profiles first, by their own operations."""
    domain = find_domain(call, request["DomainId"])
    retention = request.get("RetentionPolicy", {})
    refuse_others(retention, frozenset({"HomeEfsFileSystem"}), "RetentionPolicy.")
    for kind, noun in ((UserProfile, "UserProfile"), (Space, "Space")):
        if owners_of(call.records, kind, domain):
            raise associated("Domain", domain.arn, noun)
    if domain.deleting is None:
        deleting = retention.get("HomeEfsFileSystem", "Retain")
        call.records.put(msgspec.structs.replace(domain, deleting=deleting, modified=call.now))
    return {}


@operation("ListDomains", takes="NextToken MaxResults")
def list_domains(call: Call, request: Request) -> Result:
    domains, token = listed(call, Domain, request)
    shown = [
        {
            "DomainArn": domain.arn,
            "DomainId": domain.id,
            "DomainName": domain.name,
            "Status": domain_state(call.records, domain),
            "CreationTime": domain.created,
            "LastModifiedTime": modified_of(domain, call.records.get(DomainStatus, domain.key)),
            "Url": url_of(domain),
        }
        for domain in domains
    ]
    return with_token("Domains", shown, token)


def url_of(domain: Domain) -> str:
    return f"https://{domain.id}.studio.{domain.region}.sagemaker.aws"


def _check(call: Call, settings: dict[str, Any], vpc_id: str, subnet_ids: list[str], access: str) -> None:
    users, spaces = settings["DefaultUserSettings"], settings.get("DefaultSpaceSettings", {})
    whole = settings.get("DomainSettings", {})
    check_user_settings(call, users, "DefaultUserSettings")
    check_default_space_settings(call, spaces, "DefaultSpaceSettings")
    refuse_others(whole, _DOMAIN_SETTINGS, "DomainSettings.", _DOMAIN_HARMLESS)
    if access == "VpcOnly" and not users.get("SecurityGroups"):
        # "Required when the CreateDomain.AppNetworkAccessType parameter is set to VpcOnly"; the text is ours
        raise invalid("DefaultUserSettings.SecurityGroups is required when AppNetworkAccessType is VpcOnly.")
    groups = (users.get("SecurityGroups", []), spaces.get("SecurityGroups", []), whole.get("SecurityGroupIds", []))
    check_network(call, vpc_id, subnet_ids, *groups)
    vpc = call.records.get(Vpc, vpc_id)
    if vpc is not None and vpc.instance_tenancy != "default":
        # https://docs.aws.amazon.com/sagemaker/latest/dg/studio-notebooks-and-internet-access.html ; the text is ours
        raise invalid(f"The VPC '{vpc_id}' has dedicated tenancy: Studio needs a VPC of default tenancy.")


def _has_apps(call: Call, domain: Domain) -> bool:
    return any(
        app_state(call.records, app) in ("Pending", "InService", "Deleting")
        for app in owned(call, App)
        if app.domain_id == domain.id
    )

"""What is known of an account as a whole: its alias, how many entities it has, and all of them at once."""

from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.tags import tags_of, to_list
from ringfence.iam.managed import managed_policies
from ringfence.resources.iam import AccessKey, AccountAlias, Group, InstanceProfile, ManagedPolicy, Role, User
from ringfence.services.iam.boundary import shown_boundary
from ringfence.services.iam.document import shown_document
from ringfence.services.iam.instance_profile import profiles_of, shown_profile
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import Entity, already_exists, attachments, no_such_entity
from ringfence.services.iam.managed_policy import POLICY_QUOTA, day, shown_policy
from ringfence.services.iam.role import shown_role

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_QUOTAS = {
    "UsersQuota": 5000,
    "GroupsQuota": 300,
    "RolesQuota": 1000,
    "PoliciesQuota": 1500,
    "InstanceProfilesQuota": 1000,
    "GroupsPerUserQuota": 10,
    "AccessKeysPerUserQuota": 2,
    "AttachedPoliciesPerUserQuota": 10,
    "AttachedPoliciesPerGroupQuota": 10,
    "AttachedPoliciesPerRoleQuota": 10,
    "UserPolicySizeQuota": 2048,
    "GroupPolicySizeQuota": 5120,
    "AssumeRolePolicySizeQuota": 2048,
    "VersionsPerPolicyQuota": 5,
    "PolicySizeQuota": POLICY_QUOTA[1],
}


@operation("CreateAccountAlias", takes="AccountAlias")
def create_account_alias(call: Call, request: Request) -> Result:
    """One an account: a second one takes the first one's place."""
    alias = request["AccountAlias"]
    if any(other.alias == alias for other in call.records.all(AccountAlias)):
        raise already_exists(f"The account alias {alias} already exists.")
    call.records.put(AccountAlias(account=call.account, alias=alias))
    return {}


@operation("ListAccountAliases", takes="Marker MaxItems")
def list_account_aliases(call: Call, request: Request) -> Result:
    own = call.records.get(AccountAlias, call.account)
    return listed(request, "AccountAliases", [own.alias] if own is not None else [], str, str)


@operation("DeleteAccountAlias", takes="AccountAlias")
def delete_account_alias(call: Call, request: Request) -> Result:
    own = call.records.get(AccountAlias, call.account)
    if own is None or own.alias != request["AccountAlias"]:
        raise no_such_entity(f"The account alias {request['AccountAlias']} cannot be found.")
    call.records.delete(own)
    return {}


@operation("GetAccountSummary", takes="")
def get_account_summary(call: Call, request: Request) -> Result:
    def count(kind: type[User | Group | Role | ManagedPolicy | InstanceProfile]) -> int:
        return sum(record.account == call.account for record in call.records.all(kind))

    root_keys = [key for key in call.records.all(AccessKey) if key.account == call.account and key.user_name is None]
    counts = {
        "Users": count(User),
        "Groups": count(Group),
        "Roles": count(Role),
        "Policies": count(ManagedPolicy),
        "InstanceProfiles": count(InstanceProfile),
        "AccountAccessKeysPresent": min(len(root_keys), 1),
        "AccountMFAEnabled": 0,
        "MFADevices": 0,
    }
    return {"SummaryMap": counts | _QUOTAS}


@operation("GetAccountAuthorizationDetails", takes="Filter MaxItems Marker")
def get_account_authorization_details(call: Call, request: Request) -> Result:
    """One page runs over users, groups, roles and policies alike; AWS's policies are shown where they are in use."""
    wanted = request.get("Filter") or ["User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"]
    found = [(kind, arn, shown) for kind, arn, shown in _details(call) if kind in wanted]
    page = listed(request, "Details", found, lambda detail: detail[1], lambda detail: detail)
    details = page.pop("Details")
    return {
        "UserDetailList": [shown for kind, _, shown in details if kind == "User"],
        "GroupDetailList": [shown for kind, _, shown in details if kind == "Group"],
        "RoleDetailList": [shown for kind, _, shown in details if kind == "Role"],
        "Policies": [shown for kind, _, shown in details if kind.endswith("ManagedPolicy")],
        **page,
    }


def _details(call: Call) -> list[tuple[str, str, Result]]:
    """(what `Filter` calls it, ARN, its detail) of each."""
    own = call.account
    found = [("User", user.arn, _user(call, user)) for user in call.records.all(User) if user.account == own]
    found += [
        ("Group", group.arn, _entity(group, "Group")) for group in call.records.all(Group) if group.account == own
    ]
    found += [("Role", role.arn, _role(call, role)) for role in call.records.all(Role) if role.account == own]
    for policy in call.records.all(ManagedPolicy):
        if policy.account == own:
            versions = [
                _version(version.id, version.document, version.created, version.id == policy.default_version)
                for version in policy.versions
            ]
            shown = {name: value for name, value in shown_policy(call, policy).items() if name != "Tags"}
            found.append(("LocalManagedPolicy", policy.arn, {**shown, "PolicyVersionList": versions}))
    for aws in managed_policies().values():
        if any(holder.account == own for holder in attachments(call.records, aws.arn)):
            versions = [_version(aws.version, aws.document, day(aws.updated), True)]
            found.append(("AWSManagedPolicy", aws.arn, {**shown_policy(call, aws), "PolicyVersionList": versions}))
    return found


def _version(id: str, document: str, created: Any, default: bool) -> Result:
    return {
        "VersionId": id,
        "Document": shown_document(document),
        "CreateDate": created,
        "IsDefaultVersion": default,
    }


def _entity(entity: Entity, noun: str) -> Result:
    return {
        "Path": entity.path,
        f"{noun}Name": entity.name,
        f"{noun}Id": entity.id,
        "Arn": entity.arn,
        "CreateDate": entity.created,
        f"{noun}PolicyList": [
            {"PolicyName": name, "PolicyDocument": shown_document(text)} for name, text in entity.policies.items()
        ],
        "AttachedManagedPolicies": [
            {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in entity.attached
        ],
    }


def _user(call: Call, user: User) -> Result:
    groups = [group.name for key in user.groups if (group := call.records.get(Group, key)) is not None]
    tags = to_list(tags_of(call.records, user.arn))
    return {**_entity(user, "User"), "GroupList": groups, "Tags": tags, **shown_boundary(user)}


def _role(call: Call, role: Role) -> Result:
    profiles = [shown_profile(call, profile) for profile in profiles_of(call, role)]
    return {
        **_entity(role, "Role"),
        "AssumeRolePolicyDocument": shown_role(call.records, role)["AssumeRolePolicyDocument"],
        "InstanceProfileList": profiles,
        "Tags": to_list(tags_of(call.records, role.arn)),
        "RoleLastUsed": {},
        **shown_boundary(role),
    }

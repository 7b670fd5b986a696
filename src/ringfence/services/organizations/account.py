"""Accounts: made, listed, moved, let go. A new account's way in is a role that trusts the management account."""

import json

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.ids import lower_id, principal_id
from ringfence.core.tags import drop_tags, set_tags
from ringfence.iam.organization import FULL_ACCESS, place_of
from ringfence.resources.iam import AccessKey, Role
from ringfence.resources.organizations import CreateAccountRequest, MemberAccount
from ringfence.services.organizations.listing import listed
from ringfence.services.organizations.lookup import (
    all_of,
    arn_of,
    children_of,
    find_account,
    find_parent,
    find_root,
    named,
    own_organization,
)
from ringfence.services.organizations.operation import operation
from ringfence.services.organizations.tag import checked_tags

_ROLE = "OrganizationAccountAccessRole"
_ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
_ON = named("AccountId")


def _shown_request(asked: CreateAccountRequest) -> Result:
    result: Result = {
        "Id": asked.id,
        "AccountName": asked.account_name,
        "State": "FAILED" if asked.failure else "SUCCEEDED",
        "RequestedTimestamp": asked.requested,
        "CompletedTimestamp": asked.requested,
    }
    return {**result, **({"FailureReason": asked.failure} if asked.failure else {"AccountId": asked.account_id})}


@operation("CreateAccount", takes="Email AccountName RoleName IamUserAccessToBilling Tags")
def create_account(call: Call, request: Request) -> Result:
    """AWS takes minutes and says IN_PROGRESS; here the account is there when the call returns."""
    if request.get("IamUserAccessToBilling", "ALLOW") != "ALLOW":
        raise not_implemented("accounts whose users may not see bills: there are none")
    organization = own_organization(call)
    root = find_root(call, organization.root_id)
    email = request["Email"]
    asked = CreateAccountRequest(
        id=f"car-{lower_id(32, call.entropy)}",
        organization_id=organization.id,
        account_name=request["AccountName"],
        requested=call.now,
    )
    tags = checked_tags({}, request.get("Tags", ()))
    if any(other.email.lower() == email.lower() for other in call.records.all(MemberAccount)):
        asked = msgspec.structs.replace(asked, failure="EMAIL_ALREADY_EXISTS")
    else:
        id = _new_id(call)
        member = MemberAccount(
            id=id,
            organization_id=organization.id,
            attached=tuple(FULL_ACCESS[type] for type in root.policy_types),
            parent_id=root.id,
            name=request["AccountName"],
            email=email,
            joined=call.now,
            joined_method="CREATED",
        )
        call.records.put(member)
        call.records.put(_access_role(call, id, request.get("RoleName", _ROLE)))
        set_tags(call.records, arn_of(organization, id), tags)
        asked = msgspec.structs.replace(asked, account_id=id)
    call.records.put(asked)
    return {"CreateAccountStatus": _shown_request(asked)}


def _new_id(call: Call) -> str:
    """Twelve digits that no account here has, or had while its roles and keys are there."""
    taken = {role.account for role in call.records.all(Role)} | {key.account for key in call.records.all(AccessKey)}
    while True:
        id = f"{int.from_bytes(call.entropy(8), 'big') % 900_000_000_000 + 100_000_000_000}"
        if id not in taken and call.records.get(MemberAccount, id) is None:
            return id


def _access_role(call: Call, account: str, name: str) -> Role:
    """https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_access-cross-account-role.html"""
    trusted = {"AWS": f"arn:aws:iam::{call.account}:root"}
    statement = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    return Role(
        name=name,
        account=account,
        id=principal_id("AROA", call.entropy),
        created=call.now,
        trust=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        attached=(_ADMINISTRATOR,),
    )


@operation("DescribeCreateAccountStatus", takes="CreateAccountRequestId")
def describe_create_account_status(call: Call, request: Request) -> Result:
    found = call.records.get(CreateAccountRequest, request["CreateAccountRequestId"])
    if found is None or found.organization_id != own_organization(call).id:
        raise ServiceError(
            "CreateAccountStatusNotFoundException",
            "We can't find an create account request with the CreateAccountRequestId that you specified.",
        )
    return {"CreateAccountStatus": _shown_request(found)}


@operation("ListCreateAccountStatus", takes="States NextToken MaxResults")
def list_create_account_status(call: Call, request: Request) -> Result:
    organization, states = own_organization(call), request.get("States")
    found = [
        asked
        for asked in call.records.all(CreateAccountRequest)
        if asked.organization_id == organization.id
        and (not states or ("FAILED" if asked.failure else "SUCCEEDED") in states)
    ]
    return listed(request, "CreateAccountStatuses", found, lambda asked: asked.id, _shown_request)


def _shown(call: Call, account: MemberAccount) -> Result:
    place = place_of(call.records, account.id)
    return {
        "Id": account.id,
        "Arn": arn_of(own_organization(call), account.id),
        "Email": account.email,
        "Name": account.name,
        "Status": "ACTIVE",
        "State": "ACTIVE",
        "Paths": [f"{place.path}{account.id}/"] if place is not None else [],
        "JoinedMethod": account.joined_method,
        "JoinedTimestamp": account.joined,
    }


@operation("DescribeAccount", takes="AccountId", on=_ON)
def describe_account(call: Call, request: Request) -> Result:
    return {"Account": _shown(call, find_account(call, request["AccountId"]))}


@operation("ListAccounts", takes="NextToken MaxResults")
def list_accounts(call: Call, request: Request) -> Result:
    accounts = all_of(call, MemberAccount)
    return listed(request, "Accounts", accounts, lambda account: account.id, lambda account: _shown(call, account))


@operation("ListAccountsForParent", takes="ParentId NextToken MaxResults", on=named("ParentId"))
def list_accounts_for_parent(call: Call, request: Request) -> Result:
    _, accounts = children_of(call.records, find_parent(call, request["ParentId"]).id)
    return listed(request, "Accounts", accounts, lambda account: account.id, lambda account: _shown(call, account))


@operation(
    "MoveAccount",
    takes="AccountId SourceParentId DestinationParentId",
    on=named("AccountId", "SourceParentId", "DestinationParentId"),
)
def move_account(call: Call, request: Request) -> Result:
    account = find_account(call, request["AccountId"])
    source = find_parent(call, request["SourceParentId"], "SourceParent")
    destination = find_parent(call, request["DestinationParentId"], "DestinationParent")
    if account.parent_id == destination.id:
        raise ServiceError("DuplicateAccountException", "That account is already present in the specified destination.")
    if account.parent_id != source.id:
        raise ServiceError("AccountNotFoundException", "You specified an account that doesn't exist.")
    call.records.put(msgspec.structs.replace(account, parent_id=destination.id))
    return {}


@operation("RemoveAccountFromOrganization", takes="AccountId", on=_ON)
def remove_account_from_organization(call: Call, request: Request) -> Result:
    """The account goes on by itself: what is in it stays, and so does the role that trusts the management account.

    AWS asks for a means of payment first; here nobody pays.
    """
    _let_go(call, find_account(call, request["AccountId"]))
    return {}


@operation("LeaveOrganization", by="member")
def leave_organization(call: Call, request: Request) -> Result:
    _let_go(call, find_account(call, call.account))
    return {}


def _let_go(call: Call, account: MemberAccount) -> None:
    organization = own_organization(call)
    if account.id == organization.management:
        raise ServiceError(
            "MasterCannotLeaveOrganizationException",
            "You can't remove a management account from an organization.",
        )
    drop_tags(call.records, arn_of(organization, account.id))
    call.records.delete(account)

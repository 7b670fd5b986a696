"""Organizational units, and who is whose parent."""

from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.ids import lower_id
from ringfence.core.tags import drop_tags, set_tags
from ringfence.iam.organization import FULL_ACCESS
from ringfence.resources.organizations import MemberAccount, Organization, OrganizationalUnit, OrganizationRoot
from ringfence.services.organizations.listing import listed
from ringfence.services.organizations.lookup import (
    arn_of,
    children_of,
    constraint_violation,
    find,
    find_parent,
    find_root,
    find_unit,
    named,
    no_such,
    own_organization,
)
from ringfence.services.organizations.operation import operation
from ringfence.services.organizations.tag import checked_tags

# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
_MAX_DEPTH = 5
_ON = named("OrganizationalUnitId")


def _path(call: Call, organization: Organization, unit: OrganizationalUnit) -> str:
    ids = [unit.id]
    parent = find_parent(call, unit.parent_id)
    while isinstance(parent, OrganizationalUnit):
        ids.append(parent.id)
        parent = find_parent(call, parent.parent_id)
    return "/".join((organization.id, parent.id, *reversed(ids), ""))


def _shown(call: Call, unit: OrganizationalUnit) -> Result:
    organization = own_organization(call)
    return {
        "Id": unit.id,
        "Arn": arn_of(organization, unit.id),
        "Name": unit.name,
        "Path": _path(call, organization, unit),
    }


@operation("CreateOrganizationalUnit", takes="ParentId Name Tags", on=named("ParentId"))
def create_organizational_unit(call: Call, request: Request) -> Result:
    organization = own_organization(call)
    parent = find_parent(call, request["ParentId"])
    _check_name(call, parent.id, request["Name"])
    if isinstance(parent, OrganizationalUnit) and _path(call, organization, parent).count("/ou-") >= _MAX_DEPTH:
        raise constraint_violation("OU_DEPTH_LIMIT_EXCEEDED", "You have exceeded the maximum depth of OUs.")
    root = find_root(call, organization.root_id)
    unit = OrganizationalUnit(
        id=f"ou-{root.id.removeprefix('r-')}-{lower_id(8, call.entropy)}",
        organization_id=organization.id,
        attached=tuple(FULL_ACCESS[type] for type in root.policy_types),
        parent_id=parent.id,
        name=request["Name"],
    )
    call.records.put(unit)
    set_tags(call.records, arn_of(organization, unit.id), checked_tags({}, request.get("Tags", ())))
    return {"OrganizationalUnit": _shown(call, unit)}


def _check_name(call: Call, parent_id: str, name: str) -> None:
    if any(unit.name == name for unit in children_of(call.records, parent_id)[0]):
        raise ServiceError("DuplicateOrganizationalUnitException", "An OU with the same name already exists.")


@operation("DescribeOrganizationalUnit", takes="OrganizationalUnitId", on=_ON)
def describe_organizational_unit(call: Call, request: Request) -> Result:
    return {"OrganizationalUnit": _shown(call, find_unit(call, request["OrganizationalUnitId"]))}


@operation("UpdateOrganizationalUnit", takes="OrganizationalUnitId Name", on=_ON)
def update_organizational_unit(call: Call, request: Request) -> Result:
    unit = find_unit(call, request["OrganizationalUnitId"])
    name = request.get("Name", unit.name)
    if name != unit.name:
        _check_name(call, unit.parent_id, name)
    renamed = msgspec.structs.replace(unit, name=name)
    call.records.put(renamed)
    return {"OrganizationalUnit": _shown(call, renamed)}


@operation("DeleteOrganizationalUnit", takes="OrganizationalUnitId", on=_ON)
def delete_organizational_unit(call: Call, request: Request) -> Result:
    unit = find_unit(call, request["OrganizationalUnitId"])
    if any(children_of(call.records, unit.id)):
        raise ServiceError(
            "OrganizationalUnitNotEmptyException",
            "The specified OU is not empty. Move all accounts to another root or to other OUs, remove all child OUs, "
            "and try the operation again.",
        )
    drop_tags(call.records, arn_of(own_organization(call), unit.id))
    call.records.delete(unit)
    return {}


@operation("ListOrganizationalUnitsForParent", takes="ParentId NextToken MaxResults", on=named("ParentId"))
def list_organizational_units_for_parent(call: Call, request: Request) -> Result:
    units, _ = children_of(call.records, find_parent(call, request["ParentId"]).id)
    return listed(request, "OrganizationalUnits", units, lambda unit: unit.id, lambda unit: _shown(call, unit))


@operation("ListChildren", takes="ParentId ChildType NextToken MaxResults", on=named("ParentId"))
def list_children(call: Call, request: Request) -> Result:
    units, accounts = children_of(call.records, find_parent(call, request["ParentId"]).id)
    type = request["ChildType"]
    children: list[Any] = list(accounts if type == "ACCOUNT" else units)
    return listed(request, "Children", children, lambda child: child.id, lambda child: {"Id": child.id, "Type": type})


@operation("ListParents", takes="ChildId NextToken MaxResults", on=named("ChildId"))
def list_parents(call: Call, request: Request) -> Result:
    """There is one."""
    child = find(call, OrganizationalUnit, request["ChildId"]) or find(call, MemberAccount, request["ChildId"])
    if child is None:
        raise no_such("child", "Child")
    parent = find_parent(call, child.parent_id)
    type = "ROOT" if isinstance(parent, OrganizationRoot) else "ORGANIZATIONAL_UNIT"
    return listed(request, "Parents", [parent], lambda one: one.id, lambda one: {"Id": one.id, "Type": type})

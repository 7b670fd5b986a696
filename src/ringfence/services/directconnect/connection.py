"""Connections: dedicated lines. The customer's end of one is wherever `ringfence exec --customer-network` stands."""

from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags
from ringfence.resources.direct_connect import Connection, ConnectionStatus, VirtualInterface
from ringfence.services.directconnect.refusal import client_error, paged
from ringfence.services.directconnect.tag import checked_tags, shown_tags

_BANDWIDTHS = ("1Gbps", "10Gbps", "100Gbps", "400Gbps")
# One building a region, ours: AWS's list of them is long and changes.
_BUILDING = "RF1"


def _tagged(call: Call, request: Request) -> list[str]:
    return [call.arn("directconnect", "dxcon/*")] if request.get("tags") else []


def _on_line(call: Call, request: Request) -> list[str]:
    return [call.arn("directconnect", f"dxcon/{request.get('connectionId', '*')}")]


@operation(
    "CreateConnection",
    takes="location bandwidth connectionName tags providerName",
    also=(("directconnect:TagResource", _tagged),),
)
def create_connection(call: Call, request: Request) -> Result:
    if request["bandwidth"] not in _BANDWIDTHS:
        raise client_error(f"Bandwidth {request['bandwidth']} is not supported: use one of {', '.join(_BANDWIDTHS)}.")
    if request["location"] != _BUILDING:
        raise client_error(f"Location {request['location']} is unknown: DescribeLocations names them.")
    if request.get("providerName"):
        raise not_implemented("connections by a provider")
    connection = Connection(
        id=_new_id(call, "dxcon"),
        account=call.account,
        region=call.region,
        name=request["connectionName"],
        location=request["location"],
        bandwidth=request["bandwidth"],
        created=call.now,
    )
    call.records.put(connection)
    set_tags(call.records, connection.arn, checked_tags({}, request.get("tags", ())))
    return _show(call, connection)


def _new_id(call: Call, prefix: str) -> str:
    """`dxcon-` and eight characters, as Direct Connect's ids are."""
    return f"{prefix}-{call.entropy(4).hex()}"


def find_connection(call: Call, id: str) -> Connection:
    """The caller's connection of this id."""
    found = call.records.get(Connection, id)
    if found is None or (found.account, found.region) != (call.account, call.region):
        raise client_error(f"Connection ID {id} is invalid.")
    return found


@operation("DescribeConnections", takes="connectionId maxResults nextToken", on=_on_line)
def describe_connections(call: Call, request: Request) -> Result:
    own = (call.account, call.region)
    found = [one for one in call.records.all(Connection) if (one.account, one.region) == own]
    if "connectionId" in request:
        found = [find_connection(call, request["connectionId"])]
    return paged(request, "connections", found, lambda one: _show(call, one))


@operation("DeleteConnection", takes="connectionId", on=("dxcon/{connectionId}",))
def delete_connection(call: Call, request: Request) -> Result:
    connection = find_connection(call, request["connectionId"])
    if any(one.connection_id == connection.id for one in call.records.all(VirtualInterface)):
        raise client_error(f"Connection {connection.id} has virtual interfaces: delete them first.")
    shown = {**_show(call, connection), "connectionState": "deleted"}
    drop_tags(call.records, connection.arn)
    call.records.delete(connection)
    return shown


@operation("DescribeLocations", takes="")
def describe_locations(call: Call, request: Request) -> Result:
    building = {
        "locationCode": _BUILDING,
        "locationName": "This machine",
        "region": call.region,
        "availablePortSpeeds": list(_BANDWIDTHS),
        "availableProviders": [],
    }
    return {"locations": [building]}


def _show(call: Call, connection: Connection) -> dict[str, Any]:
    there = call.records.get(ConnectionStatus, connection.id) is not None
    return {
        "ownerAccount": connection.account,
        "connectionId": connection.id,
        "connectionName": connection.name,
        "connectionState": "available" if there else "requested",
        "region": connection.region,
        "location": connection.location,
        "bandwidth": connection.bandwidth,
        "jumboFrameCapable": False,
        "macSecCapable": False,
        "hasLogicalRedundancy": "no",
        **shown_tags(call.records, connection.arn),
    }

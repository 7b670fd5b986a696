"""Reachability Analyzer's paths: from where to where a packet is to get. Whether it does, an analysis says.

https://docs.aws.amazon.com/vpc/latest/reachability/what-is-reachability-analyzer.html
"""

from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.resources import ec2
from ringfence.resources.instance import Instance
from ringfence.resources.network_insights import (
    NetworkInsightsAnalysis,
    NetworkInsightsPath,
    PathFilter,
    Ports,
)
from ringfence.services.ec2 import client_token, noun
from ringfence.services.ec2.listing import Filters, describe, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described, remove, tag_new

# https://docs.aws.amazon.com/vpc/latest/reachability/reachability-analyzer-limits.html
_MOST_PATHS = 100
_ENDS: dict[str, type[ec2.Ec2Record]] = {
    "eni": ec2.NetworkInterface,
    "igw": ec2.InternetGateway,
    "vpce": ec2.VpcEndpoint,
}
_NOT_HERE = {
    "tgw": "transit gateways",
    "tgw-attach": "transit gateways",
    "vpce-svc": "VPC endpoint services of one's own",
    "vgw": "virtual private gateways",
    "pcx": "VPC peering connections",
}


def _resources(call: Call, request: Request) -> list[str]:
    found = [call.arn("ec2", "network-insights-path/*")]
    for end in ("Source", "Destination"):
        if given := request.get(end):
            id = _id_of(given)
            known = noun.BY_PREFIX.get(id.rpartition("-")[0])
            word = "instance" if id.startswith("i-") else known.resource if known else "*"
            found.append(call.arn("ec2", f"{word}/{id}"))
    return list(dict.fromkeys(found))


@operation(
    "CreateNetworkInsightsPath",
    takes="Source Destination SourceIp DestinationIp Protocol DestinationPort FilterAtSource FilterAtDestination "
    "ClientToken TagSpecifications",
    on=_resources,
)
def create_network_insights_path(call: Call, request: Request) -> Result:
    made = client_token.earlier(call, request, NetworkInsightsPath)
    if made is None:
        made = _make(call, request)
        call.records.put(made)
        tag_new(call, request, NetworkInsightsPath, made.id)
    return {"NetworkInsightsPath": _described(call, made)}


def _make(call: Call, request: Request) -> NetworkInsightsPath:
    source, destination = (_find_end(call, request, end) for end in ("Source", "Destination"))
    protocol = request["Protocol"].lower()
    if protocol not in ("tcp", "udp"):
        raise _invalid(f"Value ({request['Protocol']}) for parameter protocol is invalid.")
    plain = any(request.get(name) is not None for name in ("SourceIp", "DestinationIp", "DestinationPort"))
    at_source = _plain(request) if plain else _filter(request, "FilterAtSource")
    if destination is None and at_source.destination_address is None:
        raise ServiceError("MissingParameter", "The request must contain the parameter Destination")
    if len(noun.mine(call, NetworkInsightsPath)) >= _MOST_PATHS:
        raise ServiceError(
            "NetworkInsightsPath.LimitExceeded", "The maximum number of network insights paths has been reached."
        )
    return NetworkInsightsPath(
        id=call.new_id("nip"),
        account=call.account,
        region=call.region,
        source=source or "",
        destination=destination,
        protocol=protocol,
        created=call.now,
        at_source=at_source,
        at_destination=_filter(request, "FilterAtDestination"),
        plain=plain,
        made_for=client_token.of(request),
    )


def _id_of(given: str) -> str:
    """The id of an ARN or id."""
    return given.rpartition("/")[2] if parse_arn(given) else given


def _find_end(call: Call, request: Request, end: str) -> str | None:
    """The id of what the path begins or ends at, if it is there."""
    given = request.get(end)
    if not given:
        return None
    id = _id_of(given)
    prefix = id.rpartition("-")[0]
    if prefix in _NOT_HERE:
        raise not_implemented(f"paths that begin or end at {_NOT_HERE[prefix]}")
    if prefix != "i" and prefix not in _ENDS:
        raise _invalid(f"The {end.lower()} '{given}' is not a supported resource.")
    record = call.records.get(Instance, id) if prefix == "i" else call.records.get(_ENDS[prefix], id)
    if record is None or (record.account, record.region) != (call.account, call.region):
        raise ServiceError(f"NetworkInsights{end}.NotFound", f"The {end.lower()} '{given}' does not exist")
    return id


def _plain(request: Request) -> PathFilter:
    for name in ("FilterAtSource", "FilterAtDestination"):
        if request.get(name):
            message = f"The parameter {name} cannot be used with SourceIp, DestinationIp or DestinationPort."
            raise ServiceError("InvalidParameterCombination", message)
    port = request.get("DestinationPort")
    return PathFilter(
        source_address=_address(request.get("SourceIp"), "sourceIp"),
        destination_address=_address(request.get("DestinationIp"), "destinationIp"),
        destination_ports=None if port is None else _ports({"FromPort": port, "ToPort": port}),
    )


def _filter(request: Request, name: str) -> PathFilter:
    given: Mapping[str, Any] = request.get(name) or {}
    return PathFilter(
        source_address=_address(given.get("SourceAddress"), f"{name}.SourceAddress"),
        source_ports=_ports(given.get("SourcePortRange")),
        destination_address=_address(given.get("DestinationAddress"), f"{name}.DestinationAddress"),
        destination_ports=_ports(given.get("DestinationPortRange")),
    )


def _address(text: str | None, member: str) -> str | None:
    if not text:
        return None
    try:
        return str(IPv4Address(text.removesuffix("/32")))
    except AddressValueError:
        raise _invalid(f"Value ({text}) for parameter {member} is invalid. Invalid IPv4 address.") from None


def _ports(given: Mapping[str, int] | None) -> Ports | None:
    if not given:
        return None
    low = given.get("FromPort", 0)
    high = given.get("ToPort", low)
    if not 0 <= low <= high <= 65535:
        raise _invalid(f"Invalid port range ({low}-{high}).")
    return low, high


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", message)


@operation(
    "DeleteNetworkInsightsPath",
    takes="NetworkInsightsPathId",
    on=("network-insights-path/{NetworkInsightsPathId}",),
)
def delete_network_insights_path(call: Call, request: Request) -> Result:
    """Only once its analyses are deleted."""
    path = noun.find(call, NetworkInsightsPath, request["NetworkInsightsPathId"])
    if any(analysis.path_id == path.id for analysis in noun.mine(call, NetworkInsightsAnalysis)):
        message = f"The network insights path '{path.id}' has analyses and cannot be deleted."
        raise ServiceError("AnalysisExistsForNetworkInsightsPath", message)
    remove(call, path)
    return {"NetworkInsightsPathId": path.id}


def _range(ports: Ports | None) -> str | None:
    return None if ports is None else str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


_FILTERS: Filters = {
    "destination": lambda call, item: item.destination,
    "filter-at-source.source-address": lambda call, item: item.at_source.source_address,
    "filter-at-source.source-port-range": lambda call, item: _range(item.at_source.source_ports),
    "filter-at-source.destination-address": lambda call, item: item.at_source.destination_address,
    "filter-at-source.destination-port-range": lambda call, item: _range(item.at_source.destination_ports),
    "filter-at-destination.source-address": lambda call, item: item.at_destination.source_address,
    "filter-at-destination.source-port-range": lambda call, item: _range(item.at_destination.source_ports),
    "filter-at-destination.destination-address": lambda call, item: item.at_destination.destination_address,
    "filter-at-destination.destination-port-range": lambda call, item: _range(item.at_destination.destination_ports),
    "protocol": lambda call, item: item.protocol,
    "source": lambda call, item: item.source,
}


@operation("DescribeNetworkInsightsPaths", takes="NetworkInsightsPathIds Filters MaxResults NextToken")
def describe_network_insights_paths(call: Call, request: Request) -> Result:
    found, token = describe(call, request, NetworkInsightsPath, ids="NetworkInsightsPathIds", filters=_FILTERS, least=1)
    return paged("NetworkInsightsPaths", [_described(call, one) for one in found], token)


def _described(call: Call, path: NetworkInsightsPath) -> Result:
    told: Result = {
        "NetworkInsightsPathId": path.id,
        "NetworkInsightsPathArn": noun.arn(call, NetworkInsightsPath, path.id),
        "CreatedDate": path.created,
        "Source": path.source,
        "SourceArn": _end_arn(call, path.source),
        "Protocol": path.protocol,
        **described(call, path),
    }
    if path.destination is not None:
        told |= {"Destination": path.destination, "DestinationArn": _end_arn(call, path.destination)}
    if path.plain:
        ports = path.at_source.destination_ports
        plain = {
            "SourceIp": path.at_source.source_address,
            "DestinationIp": path.at_source.destination_address,
            "DestinationPort": ports[0] if ports else None,
        }
        return told | {name: value for name, value in plain.items() if value is not None}
    for member, given in (("FilterAtSource", path.at_source), ("FilterAtDestination", path.at_destination)):
        if given != PathFilter():
            told[member] = _describe_filter(given)
    return told


def _end_arn(call: Call, id: str) -> str:
    word = "instance" if id.startswith("i-") else noun.BY_PREFIX[id.rpartition("-")[0]].resource
    return call.arn("ec2", f"{word}/{id}")


def _describe_filter(given: PathFilter) -> Result:
    members: Result = {
        "SourceAddress": given.source_address,
        "SourcePortRange": _describe_ports(given.source_ports),
        "DestinationAddress": given.destination_address,
        "DestinationPortRange": _describe_ports(given.destination_ports),
    }
    return {name: value for name, value in members.items() if value is not None}


def _describe_ports(ports: Ports | None) -> Result | None:
    return None if ports is None else {"FromPort": ports[0], "ToPort": ports[1]}

"""Reachability Analyzer's records: what is asked, each time that it is asked, and what the reconciler found out."""

from datetime import datetime
from typing import Any

import msgspec

from ringfence.core.record import Record
from ringfence.resources.ec2 import Ec2Record

Ports = tuple[int, int]


class PathFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The packet's header at one end. Addresses without a mask."""

    source_address: str | None = None
    source_ports: Ports | None = None
    destination_address: str | None = None
    destination_ports: Ports | None = None


class NetworkInsightsPath(Ec2Record, frozen=True, kw_only=True):
    """`source`, `destination`: ids. `plain`: whether SourceIp, DestinationIp and DestinationPort said what to look for,

    which `at_source` then holds: it is what the analysis reads.
    """

    source: str
    destination: str | None
    protocol: str  # tcp, udp
    created: datetime
    at_source: PathFilter
    at_destination: PathFilter
    plain: bool = False
    made_for: tuple[str, str] | None = None


class NetworkInsightsAnalysis(Ec2Record, frozen=True, kw_only=True):
    path_id: str
    started: datetime
    filter_in: tuple[str, ...] = ()  # ARNs
    filter_out: tuple[str, ...] = ()
    made_for: tuple[str, str] | None = None


class NetworkInsightsAnalysisStatus(Record, frozen=True, kw_only=True):
    """Written by the reconciler: succeeded or failed. Absent means running.

    `forward`, `back` and `explanations` in the members of EC2's PathComponent and Explanation.
    """

    id: str
    status: str
    message: str | None = None
    found: bool | None = None
    forward: tuple[dict[str, Any], ...] = ()
    back: tuple[dict[str, Any], ...] = ()
    explanations: tuple[dict[str, Any], ...] = ()

    @property
    def key(self) -> str:
        return self.id

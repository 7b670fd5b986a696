"""Reachability Analyzer's analyses: asked for here, made by the reconciler, which writes their status and findings.

https://docs.aws.amazon.com/vpc/latest/reachability/how-reachability-analyzer-works.html
"""

from datetime import timedelta

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.network_insights import (
    NetworkInsightsAnalysis,
    NetworkInsightsAnalysisStatus,
    NetworkInsightsPath,
)
from ringfence.services.ec2 import client_token, noun
from ringfence.services.ec2.listing import Filters, flag, page, paged, select
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described, remove, tag_new

# "Reachability Analyzer will automatically delete the analysis 120 days after its creation date"
# https://docs.aws.amazon.com/vpc/latest/reachability/getting-started-cli.html
KEPT = timedelta(days=120)
# https://docs.aws.amazon.com/vpc/latest/reachability/reachability-analyzer-limits.html
_MOST_ANALYSES, _MOST_AT_ONCE = 1000, 6


@operation(
    "StartNetworkInsightsAnalysis",
    takes="NetworkInsightsPathId FilterInArns FilterOutArns ClientToken TagSpecifications",
    on=("network-insights-path/{NetworkInsightsPathId}", "network-insights-analysis/*"),
)
def start_network_insights_analysis(call: Call, request: Request) -> Result:
    made = client_token.earlier(call, request, NetworkInsightsAnalysis)
    if made is None:
        made = _make(call, request)
        call.records.put(made)
        tag_new(call, request, NetworkInsightsAnalysis, made.id)
    return {"NetworkInsightsAnalysis": _described(call, made)}


def _make(call: Call, request: Request) -> NetworkInsightsAnalysis:
    path = noun.find(call, NetworkInsightsPath, request["NetworkInsightsPathId"])
    others = noun.mine(call, NetworkInsightsAnalysis)
    running = sum(call.records.get(NetworkInsightsAnalysisStatus, one.id) is None for one in others)
    if len(others) >= _MOST_ANALYSES or running >= _MOST_AT_ONCE:
        raise ServiceError(
            "NetworkInsightsAnalysis.LimitExceeded", "The maximum number of network insights analyses has been reached."
        )
    return NetworkInsightsAnalysis(
        id=call.new_id("nia"),
        account=call.account,
        region=call.region,
        path_id=path.id,
        started=call.now,
        filter_in=_arns(request, "FilterInArns"),
        filter_out=_arns(request, "FilterOutArns"),
        made_for=client_token.of(request),
    )


def _arns(request: Request, member: str) -> tuple[str, ...]:
    given = tuple(request.get(member) or ())
    for one in given:
        if parse_arn(one) is None:
            raise ServiceError("InvalidParameterValue", f"Value ({one}) for parameter {member} is invalid.")
    return given


@operation(
    "DeleteNetworkInsightsAnalysis",
    takes="NetworkInsightsAnalysisId",
    on=("network-insights-analysis/{NetworkInsightsAnalysisId}",),
)
def delete_network_insights_analysis(call: Call, request: Request) -> Result:
    """Its status goes once the reconciler notices."""
    analysis = noun.find(call, NetworkInsightsAnalysis, request["NetworkInsightsAnalysisId"])
    remove(call, analysis)
    return {"NetworkInsightsAnalysisId": analysis.id}


def _status(call: Call, analysis: NetworkInsightsAnalysis) -> NetworkInsightsAnalysisStatus:
    found = call.records.get(NetworkInsightsAnalysisStatus, analysis.id)
    return found or NetworkInsightsAnalysisStatus(id=analysis.id, status="running")


def _path_found(call: Call, analysis: NetworkInsightsAnalysis) -> str | None:
    found = _status(call, analysis).found
    return None if found is None else flag(found)


_FILTERS: Filters = {
    "path-found": _path_found,
    "status": lambda call, item: _status(call, item).status,
}


@operation(
    "DescribeNetworkInsightsAnalyses",
    takes="NetworkInsightsAnalysisIds NetworkInsightsPathId AnalysisStartTime AnalysisEndTime Filters MaxResults "
    "NextToken",
)
def describe_network_insights_analyses(call: Call, request: Request) -> Result:
    """AnalysisStartTime and AnalysisEndTime are about when analyses were started."""
    wanted = request.get("NetworkInsightsAnalysisIds")
    kind = NetworkInsightsAnalysis
    found = noun.find_all(call, kind, wanted) if wanted else noun.mine(call, kind)
    if request.get("NetworkInsightsPathId"):
        path = noun.find(call, NetworkInsightsPath, request["NetworkInsightsPathId"])
        found = [one for one in found if one.path_id == path.id]
    if request.get("AnalysisStartTime"):
        found = [one for one in found if one.started >= request["AnalysisStartTime"]]
    if request.get("AnalysisEndTime"):
        found = [one for one in found if one.started <= request["AnalysisEndTime"]]
    chosen = select(call, request, found, _FILTERS, lambda one: noun.arn(call, kind, one.id))
    kept, token = page(request, chosen, lambda one: one.id, least=1)
    return paged("NetworkInsightsAnalyses", [_described(call, one) for one in kept], token)


def _described(call: Call, analysis: NetworkInsightsAnalysis) -> Result:
    status = _status(call, analysis)
    told: Result = {
        "NetworkInsightsAnalysisId": analysis.id,
        "NetworkInsightsAnalysisArn": noun.arn(call, NetworkInsightsAnalysis, analysis.id),
        "NetworkInsightsPathId": analysis.path_id,
        "StartDate": analysis.started,
        "Status": status.status,
        **described(call, analysis),
    }
    members = {
        "FilterInArns": list(analysis.filter_in),
        "FilterOutArns": list(analysis.filter_out),
        "StatusMessage": status.message,
        "ForwardPathComponents": list(status.forward),
        "ReturnPathComponents": list(status.back),
        "Explanations": list(status.explanations),
    }
    told |= {name: value for name, value in members.items() if value}
    return told if status.found is None else told | {"NetworkPathFound": status.found}

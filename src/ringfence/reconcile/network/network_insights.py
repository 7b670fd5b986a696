"""Reachability Analyzer's analyses: `succeeded` with what was found, once the network is as the records say.

Sole writer of NetworkInsightsAnalysisStatus. Removes those of analyses that were deleted, and analyses after 120 days.
"""

import logging

from ringfence.core.arn import make_arn
from ringfence.core.tags import drop_tags
from ringfence.explain.reachability import analyze
from ringfence.reconcile.applied import Applied
from ringfence.reconcile.ports import Edge
from ringfence.resources.network_insights import (
    NetworkInsightsAnalysis,
    NetworkInsightsAnalysisStatus,
    NetworkInsightsPath,
)
from ringfence.services.ec2.network_insights_analysis import KEPT
from ringfence.store.database import Snapshot, Store, Transaction

log = logging.getLogger("ringfence.reconcile")


class NetworkInsightsAnalyses:
    """The analyses' noun of the loop."""

    def __init__(self, store: Store, applied: Applied, edge: Edge) -> None:
        self._store = store
        self._applied = applied
        self._edge = edge

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        analyses = {one.id: one for one in records.all(NetworkInsightsAnalysis)}
        statuses = {one.id: one for one in records.all(NetworkInsightsAnalysisStatus)}
        old = [one for one in analyses.values() if self._edge.now() - one.started > KEPT]
        due = [one for one in analyses.values() if one.id not in statuses and one not in old] if applied else []
        if not (due or old or statuses.keys() - analyses.keys()):
            return
        with self._store.transaction() as transaction:
            for analysis in due:
                if transaction.get(NetworkInsightsAnalysis, analysis.id) is not None:
                    transaction.put(self._analyze(records, analysis))
            for analysis in old:
                transaction.delete(analysis)
                _forget_tags(transaction, analysis)
            for id in statuses.keys() - analyses.keys():
                transaction.delete(statuses[id])

    async def close(self) -> None:
        """Nothing runs."""

    def _analyze(self, records: Snapshot, analysis: NetworkInsightsAnalysis) -> NetworkInsightsAnalysisStatus:
        path, topology = records.get(NetworkInsightsPath, analysis.path_id), self._applied.topology
        if path is None or topology is None:
            message = f"The network insights path '{analysis.path_id}' does not exist"
            return NetworkInsightsAnalysisStatus(id=analysis.id, status="failed", message=message)
        try:
            told = analyze(records, topology, path, analysis)
        except Exception:  # one question that cannot be answered is no reason to stop the others
            log.exception("the analysis `%s` of `%s` failed", analysis.id, path.id)
            return NetworkInsightsAnalysisStatus(
                id=analysis.id, status="failed", message="An internal error has occurred"
            )
        return NetworkInsightsAnalysisStatus(
            id=analysis.id,
            status="succeeded",
            found=told.found,
            forward=told.forward,
            back=told.back,
            explanations=told.explanations,
        )


def _forget_tags(records: Transaction, analysis: NetworkInsightsAnalysis) -> None:
    resource = f"network-insights-analysis/{analysis.id}"
    drop_tags(records, make_arn("ec2", analysis.region, analysis.account, resource))

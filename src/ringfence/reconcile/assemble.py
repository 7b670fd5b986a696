"""Puts the reconciler together from the parts that `app` has made."""

from ringfence.reconcile.alarm import PAUSE, Alarms
from ringfence.reconcile.bucket_lifecycle import BucketLifecycles
from ringfence.reconcile.feature_store.feature_group import FeatureGroups
from ringfence.reconcile.feature_store.offline_store import OfflineStore
from ringfence.reconcile.hosting.async_invocation import AsyncInvocations
from ringfence.reconcile.hosting.data_capture import DataCapture
from ringfence.reconcile.hosting.endpoint import Endpoints
from ringfence.reconcile.hosting.health import Pace
from ringfence.reconcile.hosting.host import Hosts
from ringfence.reconcile.hosting.invocation_metric import InvocationMetrics
from ringfence.reconcile.hosting.multi_model import MultiModels
from ringfence.reconcile.hosting.scaling import Scaling
from ringfence.reconcile.instance.utilization import Utilization
from ringfence.reconcile.job.job import Jobs
from ringfence.reconcile.job.warm_pool import WarmPools
from ringfence.reconcile.loop import Noun, Reconciler
from ringfence.reconcile.network.direct_connect import DirectConnect
from ringfence.reconcile.network.dns_change import DnsChanges
from ringfence.reconcile.network.flow_delivery import Delivery
from ringfence.reconcile.network.flow_log import FlowLogs
from ringfence.reconcile.network.nat_gateway import NatGateways
from ringfence.reconcile.network.network_insights import NetworkInsightsAnalyses
from ringfence.reconcile.network.prefix_list import PrefixLists
from ringfence.reconcile.network.vpc_endpoint import VpcEndpoints
from ringfence.reconcile.network.vpc_peering_connection import VpcPeeringConnections
from ringfence.reconcile.network.vpn import VpnConnections
from ringfence.reconcile.notebook.notebook_instance import NotebookInstances
from ringfence.reconcile.orphan import Orphans
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.ports import Compile, Listeners
from ringfence.reconcile.studio.app import Apps
from ringfence.reconcile.studio.domain import Domains
from ringfence.services.cloudwatch.measurement import Measurements
from ringfence.services.sagemaker.capture_buffer import CaptureBuffer
from ringfence.store.blobs import BlobStore
from ringfence.store.online_records import OnlineRecords


def make_reconciler(
    parts: Parts,
    *,
    compile: Compile,
    listeners: Listeners,
    blobs: BlobStore,
    measurements: Measurements,
    captures: CaptureBuffer,
    online: OnlineRecords | None = None,
    flow_interval: float | None = None,
    pace: Pace | None = None,
) -> tuple[Reconciler, MultiModels]:
    """The reconciler, and what invocations of endpoints go through.

    `flow_interval`: for tests, the aggregation interval of all flow logs. `pace`: for tests, of health checks.
    """
    models = MultiModels(parts, measurements)
    nouns = (
        *_vpc_nouns(parts),
        FlowLogs(parts.store, parts.applied, parts.network, Delivery(parts.caller, blobs), parts.edge, flow_interval),
        Alarms(parts.store, parts.edge, min(PAUSE, parts.config.metric_period)),
        BucketLifecycles(parts.store, parts.edge),
        FeatureGroups(parts, OfflineStore(parts.store, parts.caller, blobs, parts.edge), online),
        Orphans(parts),
        *_hosting_nouns(parts, models, measurements, captures, pace or Pace()),
        *_job_nouns(parts),
        *_studio_nouns(parts),
    )
    return Reconciler(parts.store, compile, parts.network, listeners, parts.applied, nouns), models


def _hosting_nouns(
    parts: Parts, models: MultiModels, measurements: Measurements, captures: CaptureBuffer, pace: Pace
) -> tuple[Noun, ...]:
    return (
        Endpoints(parts, Hosts(parts, pace, models)),
        models,
        Scaling(parts.store, parts.edge, parts.config.metric_period),
        InvocationMetrics(parts.store, measurements, parts.edge, models.loaded),
        DataCapture(parts, captures),
        AsyncInvocations(parts, measurements),
    )


def _job_nouns(parts: Parts) -> tuple[Noun, ...]:
    return (Jobs(parts), WarmPools(parts), Utilization(parts.store, parts.driver, parts.edge, parts.directory))


def _studio_nouns(parts: Parts) -> tuple[Noun, ...]:
    return (Domains(parts), Apps(parts), NotebookInstances(parts))


def _vpc_nouns(parts: Parts) -> tuple[Noun, ...]:
    """What VPCs have a status of."""
    store, applied, edge = parts.store, parts.applied, parts.edge
    return (
        VpcEndpoints(store),
        NatGateways(store, applied, edge),
        VpcPeeringConnections(store, applied, edge),
        PrefixLists(store),
        VpnConnections(store, applied, edge),
        DirectConnect(store, applied),
        DnsChanges(store, edge),
        NetworkInsightsAnalyses(store, applied, edge),
    )

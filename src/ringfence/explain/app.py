"""Everything that an app of Studio needs of its network: its home, SageMaker, its gateways, endpoint policies.

Pure. Called by gateway.admin.hosting for `ringfence explain app`; what is also true of models is in hosting's own
checks.
https://docs.aws.amazon.com/sagemaker/latest/dg/studio-notebooks-and-internet-access.html
"""

from collections.abc import Iterator

from ringfence.core.record import Reader
from ringfence.explain.checklist import Checklist, tell
from ringfence.explain.checks.calls import check_calls
from ringfence.explain.checks.endpoint_policy import check_endpoint_policies
from ringfence.explain.checks.lifecycle import check_script
from ringfence.explain.checks.names import check_names
from ringfence.explain.checks.opener import check_openers
from ringfence.explain.checks.placement import check_placement
from ringfence.explain.checks.role import check_trust
from ringfence.explain.checks.s3_route import check_own_s3
from ringfence.explain.checks.studio import (
    check_home,
    check_kernels,
    check_outside,
    check_policies,
    check_sagemaker,
)
from ringfence.explain.finding import Finding, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan, plan_alone
from ringfence.resources.studio import App, AppStatus, Domain, DomainStatus, Owner, Space, UserProfile
from ringfence.services.sagemaker.domain import url_of
from ringfence.services.sagemaker.studio import app_state, app_status
from ringfence.services.sagemaker.studio_failure import LOG_GROUP, is_of_container
from ringfence.services.sagemaker.studio_settings import APP_SETTINGS, settle


def find_app(records: Reader, account: str, region: str, name: str) -> App | None:
    """`name`: domain, profile or space, app and, if said, its type, parted by slashes. Of several types the newest;
    of none the app that CreateApp would make, which an endpoint's policy may be in the way of."""
    domain, owner, own, kind = (*name.split("/"), "", "", "")[:4]
    found = [
        app
        for app in records.all(App)
        if (app.account, app.region, app.domain_id, app.owner, app.name) == (account, region, domain, owner, own)
        and kind in ("", app.type)
    ]
    if found:
        return max(found, key=lambda app: app.created)
    return _suppose(records, f"{account}/{region}/{domain}", owner, kind or "JupyterLab", own)


def _suppose(records: Reader, domain_key: str, owner_name: str, kind: str, name: str) -> App | None:
    """With the settings that hold now; None if there is nobody whose app it could be."""
    domain = records.get(Domain, domain_key)
    kinds: tuple[type[Owner], ...] = (UserProfile, Space)
    owner = next((one for kind in kinds if (one := records.get(kind, f"{domain_key}/{owner_name}"))), None)
    if domain is None or owner is None or not name or kind not in APP_SETTINGS:
        return None
    held = settle(records, domain, owner, kind, {})
    return App(
        name=name,
        account=domain.account,
        region=domain.region,
        arn=f"{domain.arn.rpartition(':')[0]}:app/{domain.id}/{owner.name}/{kind}/{name}",
        created=owner.created,
        domain_id=domain.id,
        owner=owner.name,
        in_space=isinstance(owner, Space),
        type=kind,
        launch="",
        instance_type=held.instance_type or "ml.t3.medium",
        role_arn=held.role_arn or "",
        group_ids=held.group_ids,
        idle_minutes=held.idle_minutes,
        spec={},
    )


def domain_of(records: Reader, app: App) -> Domain | None:
    return records.get(Domain, f"{app.account}/{app.region}/{app.domain_id}")


def place_of_app(records: Reader, app: App) -> Plan:
    """The app as hosting's checks see instances."""
    domain = domain_of(records, app)
    status = records.get(DomainStatus, domain.key) if domain is not None else None
    nfs = (status.outbound_group_id,) if status is not None and status.outbound_group_id else ()
    subnets = domain.subnet_ids if domain is not None else ()
    return plan_alone(app.name, app.role_arn, app.instance_type, subnets, (*app.group_ids, *nfs))


def explain_app(ground: Ground, app: App) -> Checklist:
    """State, findings, and which of them is behind the FailureReason."""
    place, domain = place_of_app(ground.records, app), domain_of(ground.records, app)
    findings = tuple(dict.fromkeys(_find(ground, app, place, domain)))
    facts = {"app": app.arn, "status": _state(ground.records, app)}
    status = app_status(ground.records, app)
    reason = status.failure_reason if status is not None else None
    return tell(list(_head(ground, app, domain, reason)), findings, facts, reason)


def _find(ground: Ground, app: App, place: Plan, domain: Domain | None) -> Iterator[Finding]:
    if domain is None:
        return
    status = app_status(ground.records, app)
    yield from _idle(app, status)
    if status is not None and status.failure_reason and is_of_container(status.failure_reason):
        stream = f"{app.domain_id}/{app.owner}/{app.type}/{app.name}"
        yield from check_script(ground, app.name, status.failure_reason, LOG_GROUP, stream)
    if app.role_arn:
        yield from check_trust(ground, place)
    else:
        sentence = f"{app.owner} is a shared space, and DefaultSpaceSettings has no ExecutionRole: CreateApp is refused"
        yield wrong("trust", app.owner, sentence, f"update-domain --domain-id {domain.id} with one", None, domain.id)
    placed = status is not None and status.status == "InService"
    yield from check_placement(ground, place, "the domain's and the owner's settings", placed)
    yield from check_home(ground, place, ground.records.get(DomainStatus, domain.key))
    if domain.access == "PublicInternetOnly":
        yield from check_outside(ground, place)
    else:
        yield from check_names(ground, place)
        yield from check_sagemaker(ground, place)
        yield from check_kernels(ground, place)
        yield from check_calls(ground, place)
        yield from check_own_s3(ground, place, "the app", needed=False)
        yield from check_endpoint_policies(ground, place)
    if app.type != "KernelGateway":
        yield from check_openers(
            ground, place, url_of(domain).removeprefix("https://"), f"aws.sagemaker.{app.region}.studio"
        )
    yield from check_policies(ground, app, domain)


def _idle(app: App, status: AppStatus | None) -> Iterator[Finding]:
    """Who did not delete it wonders who has."""
    if app.idle_minutes is None:
        return
    if status is not None and status.status in ("Deleting", "Deleted") and not app.deleting:
        sentence = f"it was shut down: idle for {app.idle_minutes} minutes, as its AppLifecycleManagement has it"
        yield note("idle", app.name, sentence, "create it again: its home directory is as it was")
    else:
        yield ok("idle", app.name, f"it is shut down once it is idle for {app.idle_minutes} minutes")


def _state(records: Reader, app: App) -> str:
    return app_state(records, app) if app.launch else "not there: this is what it would be"


def _head(ground: Ground, app: App, domain: Domain | None, reason: str | None) -> Iterator[str]:
    yield f"{app.type} app {app.name} of {app.owner}: {_state(ground.records, app)}"
    if reason:
        yield f"FailureReason: {reason}"
    if domain is not None:
        groups = ", ".join(app.group_ids) or "no groups of the settings"
        yield f"  {app.instance_type}, {domain.access}, {', '.join(domain.subnet_ids)} with {groups}"

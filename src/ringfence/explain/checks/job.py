"""A job's image, its hosts among each other, and how its containers ended."""

from collections.abc import Iterator
from dataclasses import dataclass

from ringfence.explain.checks.image import how_to_get
from ringfence.explain.finding import Finding, Seen, note, ok, wrong
from ringfence.explain.hosting import Ground
from ringfence.explain.log_tail import say_end
from ringfence.explain.standing import stand_in
from ringfence.explain.supposed import suppose_interface
from ringfence.network.explain import explain
from ringfence.network.packet import ESP, KEY_EXCHANGE, TCP, UDP, Packet
from ringfence.network.trace import trace
from ringfence.resources.job import HostEnd, Job, JobStatus
from ringfence.resources.logs import LogEvent, LogStream
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan

_LINES = 5
_DATA_LOG = "/data-log"
# how the first line of a data log begins, which tells no fault
_PARAMETERS = "[sagemaker logs]: MaxConcurrentTransforms="


@dataclass(frozen=True, slots=True)
class _Traffic:
    """What hosts of a job exchange; `rule`: what a group has to let through for it."""

    name: str
    rule: str
    protocol: int
    port: int | None


# any port: what frameworks meet on; a rule for one port would not do
_PLAIN = (_Traffic("traffic", "all traffic", TCP, 29500),)
# https://docs.aws.amazon.com/sagemaker/latest/dg/train-encrypt.html
_ENCRYPTED = (
    _Traffic("UDP 500, which keys are agreed on by,", "UDP port 500", UDP, KEY_EXCHANGE),
    _Traffic("ESP", "IP protocol 50 (ESP)", ESP, None),
)


def check_image(ground: Ground, plan: JobPlan) -> Iterator[Finding]:
    for name in plan.images:
        image = ground.image(name)
        if image is not None:
            yield ok("image", name, f"image {name} is here ({image.digest[:19]}…)")
            continue
        seen = Seen("M12", job_failure.image_missing(name))
        yield wrong("image", name, f"no image on this machine is called {name}", how_to_get(name), seen)


def check_peers(ground: Ground, plan: JobPlan) -> Iterator[Finding]:
    """Hosts of one job speak with each other: from each subnet to each, in both directions of a connection.

    https://docs.aws.amazon.com/sagemaker/latest/dg/process-vpc.html
    """
    if plan.count < 2 or not plan.subnet_ids:
        return
    subnets = plan.subnet_ids
    for sender, receiver in ((a, b) for a in subnets for b in subnets if a <= b):
        for traffic in _ENCRYPTED if plan.encrypted else _PLAIN:
            yield _judge_pair(ground, plan, sender, receiver, traffic)


def _judge_pair(ground: Ground, plan: JobPlan, sender: str, receiver: str, traffic: _Traffic) -> Finding:
    groups, subject = plan.group_ids, f"{sender} to {receiver}"
    first = stand_in(ground.topology, sender, groups)
    if first is None or receiver not in first.vpc.subnets:
        return note("peers", subject, "not judged: there is no such subnet")
    supposed, name = suppose_interface(first.topology, first.vpc, receiver, groups)
    target = supposed.vpcs[first.vpc.id].interfaces[name].address
    walked = trace(supposed, Packet(first.name, target, traffic.protocol, traffic.port))
    if walked.delivered:
        what = f" with {traffic.name}" if plan.encrypted else ""
        return ok("peers", subject, f"hosts of the job reach each other{what}, {subject}", *groups)
    hop, shown = walked.deciding, ", ".join(groups)
    if "group" in hop.stage:
        sentence = (
            f"the hosts of a distributed job wait for each other in vain, {subject}: {shown} admits no {traffic.name} "
        )
        sentence += "from its own members" if hop.stage == "ingress group" else "to its own members"
        way = "ingress" if hop.stage == "ingress group" else "egress"
        end = "source" if way == "ingress" else "destination"
        remedy = f"add an {way} rule for {traffic.rule} to {groups[0]} whose {end} is {groups[0]} itself"
    else:
        said = explain(walked)
        sentence, remedy = f"the hosts of the job do not reach each other, {subject}: {said.sentence}", said.remedy
    return wrong("peers", subject, sentence, remedy, None, *groups, hop.owner)


def check_container(ground: Ground, job: Job, plan: JobPlan) -> Iterator[Finding]:
    """The end of each host's container that did not end well, with its last words."""
    status = ground.records.get(JobStatus, job.arn)
    for end in status.exits if status else ():
        said = say_end(ground, _streams_of(ground, job, plan, end.host))
        reason = status.outcome.failure_reason if status and status.outcome else None
        yield _judge_end(plan, end, said, reason or "")


def _judge_end(plan: JobPlan, end: HostEnd, said: str, reason: str) -> Finding:
    """`reason`: the job's FailureReason, which has what the container wrote into /opt/ml/output/failure."""
    if end.out_of_memory:
        seen = Seen("", job_failure.OUT_OF_MEMORY)
        sentence = f"the container of {end.host} was killed: more memory than {plan.instance_type} has{said}"
        return wrong("container", end.host, sentence, "choose an instance type with more memory", seen)
    match end.code:
        case 0:
            return ok("container", end.host, f"the container of {end.host} ended well")
        case None:
            seen = Seen("", job_failure.HOST_LOST)
            sentence = f"nobody saw the container of {end.host} end: the machine or the daemon went down with it{said}"
            return wrong("container", end.host, sentence, "create the job again", seen)
        case code:
            known = plan.serves or reason.endswith(f", exit code: {code}")
            seen = Seen("", reason if known else job_failure.algorithm_failed(code, ""))
            sentence = f"the container of {end.host} ended with exit code {code}{said}"
            return wrong("container", end.host, sentence, "`ringfence logs JOB` has all that it wrote", seen)


def check_records(ground: Ground, job: Job, plan: JobPlan) -> Iterator[Finding]:
    """What the data logs of a transform job say of objects that could not be transformed."""
    if not plan.serves:
        return
    logs = [one for one in _streams(ground, job, plan, "") if one.key.endswith(_DATA_LOG)]
    lines = [line for one in logs for line in _lines(ground, one) if line and not line.startswith(_PARAMETERS)]
    if not lines:
        return
    uri, status = plan.sources[0].uri, ground.records.get(JobStatus, job.arn)
    reason = status.outcome.failure_reason if status and status.outcome else None
    more = f" | … ({len(lines) - _LINES} more lines)" if len(lines) > _LINES else ""
    sentence = f"not every object of {uri} was transformed: {' | '.join(lines[:_LINES])}{more}"
    remedy = "mend the object or the model, then create the job again; `ringfence logs JOB` has what the model wrote"
    yield wrong("records", uri, sentence, remedy, Seen("", reason) if reason else None)


def _streams_of(ground: Ground, job: Job, plan: JobPlan, host: str) -> list[LogStream]:
    """What the host's container wrote; a transform's streams are named after instances, which are gone: all of them."""
    streams = _streams(ground, job, plan, "" if plan.serves else f"{host}-")
    return [one for one in streams if not one.key.endswith(_DATA_LOG)]


def _streams(ground: Ground, job: Job, plan: JobPlan, prefix: str) -> list[LogStream]:
    group = f"{job.account}/{job.region}//aws/sagemaker/{plan.noun}s"
    return list(ground.records.scan(LogStream, f"{group}\0{job.name}/{prefix}"))


def _lines(ground: Ground, stream: LogStream) -> list[str]:
    return [event.message.rstrip() for event in ground.records.scan(LogEvent, f"{stream.key}\0")]

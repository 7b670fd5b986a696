"""Microseconds for one decision of the policy engine, against moto's evaluator and cedarpy in the same run."""

import json
import subprocess
import tempfile
from pathlib import Path

from bench import decision_case as case
from bench.stopwatch import microseconds
from bench.table import Row
from ringfence.core.call import Principal
from ringfence.iam.context import Context
from ringfence.iam.evaluate import AccessRequest, EndpointPolicy, Layers, Source, evaluate
from ringfence.iam.managed import managed_policies

_ACCOUNT = "123456789012"
_PRINCIPAL = Principal(
    kind="role",
    account=_ACCOUNT,
    arn=f"arn:aws:sts::{_ACCOUNT}:assumed-role/app/session",
    id="AROAEXAMPLE:session",
    role_arn=case.ROLE,
    session_name="session",
)


def measure(peer_python: str) -> list[Row]:
    """One row a case; each is an allow, decided anew every time."""
    managed = [policy.document for policy in managed_policies().values()]
    ours = {
        "small": _ours(case.ACTION, case.ENDPOINT, _identity(case.SMALL)),
        "conditions": _ours(case.ACTION, case.ENDPOINT, _identity(case.CONDITIONS)),
        "layers": _ours("s3:GetObject", "arn:aws:s3:::models/iris.tar.gz", _three_layers()),
        "managed": _ours(case.ACTION, case.ENDPOINT, _identity(*managed)),
    }
    peers = _peers(peer_python, managed)
    rows = []
    for name, aim in (("small", "< 10 µs"), ("conditions", ""), ("layers", "< 30 µs"), ("managed", "")):
        said = {peer: times[name] for peer, times in peers.items() if name in times}
        baseline = ", ".join(f"{value:.1f} ({peer})" for peer, value in said.items()) or "-"
        ratio = said["moto"] / ours[name] if "moto" in said else None
        rows.append(Row(f"decision, {_TITLES[name]}, µs", f"{ours[name]:.1f}", baseline, ratio, aim))
    return rows


_TITLES = {
    "small": "one small policy",
    "conditions": "one policy with conditions",
    "layers": "identity, bucket and endpoint policy",
    "managed": "ten managed policies",
}


def _identity(*documents: str) -> Layers:
    return Layers(identity=tuple(Source(f"policy {number}", text) for number, text in enumerate(documents)))


def _three_layers() -> Layers:
    gate = EndpointPolicy("the endpoint's policy", case.GATE, gateway=True)
    return Layers(identity=(Source("inline", case.OBJECTS),), resource=Source("bucket", case.BUCKET), endpoint=gate)


def _ours(action: str, resource: str, layers: Layers) -> float:
    context = Context.of(case.CONTEXT)
    request = AccessRequest(_PRINCIPAL, action, resource, _ACCOUNT, context)
    return microseconds(lambda: evaluate(request, layers).allowed)


def _peers(python: str, managed: list[str]) -> dict[str, dict[str, float]]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(managed, file)
        file.flush()
        script = str(Path(__file__).with_name("decision_peer.py"))
        done = subprocess.run([python, script, file.name], capture_output=True, text=True, check=True, timeout=120)
    told: dict[str, dict[str, float]] = json.loads(done.stdout)
    return told

"""What the metrics say of an invocation."""

from dataclasses import replace

import pytest
from msgspec import structs

from ringfence.core.results import Execution, Forward, ForwardReply, Invoked, ServerlessVariant
from ringfence.gateway.invocation.measurement import note_dropped, note_invocation
from ringfence.services.cloudwatch.measurement import Measurements, variant_source

SOURCE = variant_source("123456789012", "us-west-2", "AWS/SageMaker", "ep", "one")


class Noted(Measurements):
    def add(self, source, at, measured):
        self.source, self.at, self.measured = source, at, {name: (unit, value) for name, unit, value in measured}


def note(reply: ForwardReply, invoked: Invoked | None) -> Noted:
    noted = Noted()
    forward = Forward(("i-1",), "POST", "/invocations", {}, b"", 60, lambda reply: {}, invoked=invoked)
    note_invocation(noted, forward, reply, 100.0, 100.5)
    return noted


@pytest.mark.parametrize(
    ("reply", "errors"),
    [
        (ForwardReply(200, {}, b""), (0.0, 0.0, 0.0)),
        (ForwardReply(404, {}, b""), (1.0, 0.0, 1.0)),
        (ForwardReply(503, {}, b""), (0.0, 1.0, 1.0)),
        (ForwardReply(0, {}, b"", "timeout"), (0.0, 0.0, 1.0)),
        (ForwardReply(302, {}, b""), (0.0, 0.0, 1.0)),
    ],
)
def test_errors_are_one_or_zero(reply: ForwardReply, errors: tuple[float, ...]) -> None:
    noted = note(reply, Invoked("123456789012", "us-west-2", "ep", "one", 4))
    assert noted.source == SOURCE
    names = ("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
    assert tuple(noted.measured[name][1] for name in names) == errors
    assert noted.measured["Invocations"] == ("None", 1.0)
    assert noted.measured["InvocationsPerInstance"] == ("None", 0.25)


def test_latency_is_the_models_and_the_rest() -> None:
    noted = note(ForwardReply(200, {}, b"", seconds=0.123456), Invoked("123456789012", "us-west-2", "ep", "one", 1))
    assert noted.measured["ModelLatency"] == ("Microseconds", 123000.0)
    assert noted.measured["OverheadLatency"] == ("Microseconds", 377000.0)


def test_what_is_no_invocation_is_not_counted() -> None:
    assert not hasattr(note(ForwardReply(200, {}, b""), None), "measured")


def note_execution(execution: Execution, reply: ForwardReply) -> dict[str, float]:
    noted = Noted()
    invoked = Invoked("123456789012", "us-west-2", "ep", "one", 0)
    forward = Forward(("i-1",), "POST", "/invocations", {}, b"", 60, lambda reply: {}, invoked=invoked)
    note_invocation(noted, structs.replace(forward, execution=execution), reply, 100.0, 103.0)
    return {name: value for name, (_, value) in noted.measured.items()}


def test_a_serverless_variant_has_its_own_list_of_metrics() -> None:
    """Any metric not listed is not published: no InvocationsPerInstance, no InvocationModelErrors."""
    key = ServerlessVariant("123456789012/us-west-2/ep", 1, "one")
    on_demand = Execution(key, limit=4, account_limit=1000, provisioned=0, concurrent=1, setup=2.5)
    assert note_execution(on_demand, ForwardReply(200, {}, b"", seconds=0.25)) == {
        "Invocations": 1.0,
        "Invocation4XXErrors": 0.0,
        "Invocation5XXErrors": 0.0,
        "ModelLatency": 250_000.0,
        "OverheadLatency": 2_750_000.0,
        "ModelSetupTime": 2_500_000.0,
        "ServerlessConcurrentExecutionsUtilization": 0.25,
    }
    provisioned = replace(on_demand, provisioned=2, concurrent=1, setup=0.0)
    measured = note_execution(provisioned, ForwardReply(503, {}, b""))
    assert measured["ServerlessProvisionedConcurrencyUtilization"] == 0.5
    assert measured["ServerlessProvisionedConcurrencyInvocations"] == 1.0
    assert not measured.keys() & {"ModelSetupTime", "ServerlessProvisionedConcurrencySpilloverInvocations"}
    measured = note_execution(replace(provisioned, concurrent=3), ForwardReply(200, {}, b""))
    assert measured["ServerlessProvisionedConcurrencyExecutions"] == 2.0
    assert measured["ServerlessProvisionedConcurrencySpilloverInvocations"] == 1.0


def test_a_copy_that_was_not_made_is_counted_in_a_namespace_of_ours() -> None:
    noted = Noted()
    note_dropped(noted, Invoked("123456789012", "us-west-2", "ep", "shadow", 1), 100.0)
    assert noted.source.namespace == "Ringfence"
    assert noted.measured == {"ShadowInvocationsDropped": ("Count", 1.0)}

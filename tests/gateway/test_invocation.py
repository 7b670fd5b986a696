"""What the metrics say of an invocation."""

import pytest

from ringfence.core.results import Forward, ForwardReply, Invoked
from ringfence.gateway.invocation import note_invocation
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

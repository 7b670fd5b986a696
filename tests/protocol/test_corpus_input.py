"""AWS's input cases run backwards: the request that a client must send is parsed to the parameters it was made of."""

import cases
import pytest
from botocore import __version__
from cases import Case

from ringfence.protocol.message import HttpRequest

# Cases that Ringfence does not pass, and why that is right. An entry that passes fails the test (strict xfail).
_TOKEN = "the client fills in the idempotency token that the caller left out"
_EMPTY = "the client sends nothing at all for an empty list or map"
_NO_BODY = "the case does not say the body that was compressed; test_compressed_body.py does it"
_NO_TARGET = "the case does not say X-Amz-Target"
_OWN_PATH = "the client's endpoint has a path of its own"
_ALL_QUERY = (
    "a server puts all of the query into the map: https://smithy.io/2.0/spec/http-bindings.html#httpqueryparams"
)
DIFFERS: dict[str, str] = {
    "ec2:Ec2EmptyQueryLists": _EMPTY,
    "ec2:Ec2ProtocolIdempotencyTokenAutoFill": _TOKEN,
    "ec2:SDKAppendsGzipAndIgnoresHttpProvidedEncoding_ec2Query": _NO_BODY,
    "ec2:SDKAppliedContentEncoding_ec2Query": _NO_BODY,
    "json:SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1": _NO_BODY,
    "json:SDKAppliedContentEncoding_awsJson1_1": _NO_BODY,
    "json_1_0:AwsJson10EndpointTrait": _NO_TARGET,
    "json_1_0:AwsJson10EndpointTraitWithHostLabel": _NO_TARGET,
    "json_1_0:AwsJson10HostWithPath": _NO_TARGET,
    "json_1_0:SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0": _NO_BODY,
    "json_1_0:SDKAppliedContentEncoding_awsJson1_0": _NO_BODY,
    "query:QueryEmptyQueryMaps": _EMPTY,
    "query:QueryFlattenedListArgWithXmlName": "botocore sends the element's name for the list's; no service has both",
    "query:QueryProtocolIdempotencyTokenAutoFill": _TOKEN,
    "query:SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery": _NO_BODY,
    "query:SDKAppliedContentEncoding_awsQuery": _NO_BODY,
    "rest-json:MediaTypeHeaderInputBase64": "the case has the JSON value of a header as its text",
    "rest-json:RestJsonHostWithPath": _OWN_PATH,
    "rest-json:RestJsonHttpPrefixHeadersAreNotPresent": _EMPTY,
    "rest-json:RestJsonHttpWithEmptyStructurePayload": "an empty document is an empty structure",
    "rest-json:RestJsonHttpWithHeadersButNoPayload": "an empty document is an empty structure",
    "rest-json:RestJsonOmitsEmptyListQueryValues": _EMPTY,
    "rest-json:RestJsonQueryIdempotencyTokenAutoFill": _TOKEN,
    "rest-json:RestJsonQueryParamsStringListMap": _ALL_QUERY,
    "rest-json:RestJsonQueryPrecedence": _ALL_QUERY,
    "rest-json:SDKAppendedGzipAfterProvidedEncoding_restJson1": _NO_BODY,
    "rest-json:SDKAppliedContentEncoding_restJson1": _NO_BODY,
    "rest-xml:AllQueryStringTypes": _ALL_QUERY,
    "rest-xml:BodyWithXmlName": "botocore gives a member its target's own element name; no service has such a shape",
    "rest-xml:HttpPrefixHeadersAreNotPresent": _EMPTY,
    "rest-xml:QueryIdempotencyTokenAutoFill": _TOKEN,
    "rest-xml:RestXmlQueryParamsStringListMap": _ALL_QUERY,
    "rest-xml:RestXmlQueryPrecedence": _ALL_QUERY,
    "rest-xml:RestXmlQueryStringEscaping": _ALL_QUERY,
    "rest-xml:RestXmlSupportsInfinityFloatQueryValues": _ALL_QUERY,
    "rest-xml:RestXmlSupportsNaNFloatQueryValues": _ALL_QUERY,
    "rest-xml:RestXmlSupportsNegativeInfinityFloatQueryValues": _ALL_QUERY,
    "rest-xml:RestXmlZeroAndFalseQueryValues": _ALL_QUERY,
    "rest-xml:SDKAppendedGzipAfterProvidedEncoding_restXml": _NO_BODY,
    "rest-xml:SDKAppliedContentEncoding_restXml": _NO_BODY,
}

CASES = cases.load("input")


def request_of(case: Case) -> HttpRequest:
    sent = case.case["serialized"]
    path, _, query = sent.get("uri", "/").partition("?")
    method = sent.get("method") or case.case["given"].get("http", {}).get("method", "POST")
    headers = tuple(sent.get("headers", {}).items())
    return HttpRequest(method, path, query, headers, cases.body_of(case, sent))


def parameters() -> list[object]:
    marks = {name: [pytest.mark.xfail(strict=True, reason=reason)] for name, reason in DIFFERS.items()}
    return [pytest.param(case, id=case.name, marks=marks.get(case.name, [])) for case in CASES]


@pytest.mark.parametrize("case", parameters())
def test_request_gives_the_parameters(case: Case) -> None:
    model = case.model
    wire = case.wire(model)
    request = request_of(case)
    assert wire.identify(request) == case.operation
    expected = cases.typed(model.operation_model(case.operation).input_shape, case.case["params"])
    assert cases.comparable(wire.read(case.operation, request)) == cases.comparable(expected)


def test_all_cases_are_run() -> None:
    assert len(CASES) == 367
    assert len(DIFFERS) == 40
    assert len({case.name for case in CASES}) == 367
    assert DIFFERS.keys() <= {case.name for case in CASES}


def test_the_corpus_is_of_the_installed_botocore() -> None:
    assert cases.corpus.corpus_root().name == f"botocore-{__version__}"

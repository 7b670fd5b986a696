"""AWS's output cases run backwards: the result that a client must understand is written, and understood by botocore."""

import json
import re
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import cases
import cbor2
import pytest
from botocore import parsers
from botocore.awsrequest import HeadersDict
from cases import Case

from ringfence.core.errors import ServiceError
from ringfence.protocol.message import HttpResponse

# Cases that Ringfence does not pass, and why that is right. An entry that passes fails the test (strict xfail).
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)")

_LIST_NAME = "botocore looks for a flattened list under its element's name; no service has a list with two names"
_UNION_TYPE = "the case's union has a `__type`, which Ringfence does not write"
_STRANGE = "the case's answer has members that no shape has"
_UNSET_UNION = "botocore cannot read a payload that is a union without a member"
DIFFERS: dict[str, str] = {
    "ec2:Ec2XmlLists": _LIST_NAME,
    "json:AwsJson11DeserializeIgnoreType": _UNION_TYPE,
    "json:AwsJson11IntEnums": "the case's answer has a header of requests",
    "json:handles_unexpected_json_output": _STRANGE,
    "json_1_0:AwsJson10DeserializeIgnoreType": _UNION_TYPE,
    "json_1_0:AwsJson10HandlesUnexpectedJsonOutput": _STRANGE,
    "query:QueryXmlLists": _LIST_NAME,
    "rest-json:HttpPrefixHeadersResponse": "the answer's own headers have the empty prefix too",
    "rest-json:MediaTypeHeaderOutputBase64": "the case has the JSON value of a header as its text",
    "rest-json:RestJsonDeserializeIgnoreType": _UNION_TYPE,
    "rest-json:RestJsonHttpPayloadWithUnsetUnion": _UNSET_UNION,
    "rest-xml:BodyWithXmlName": "botocore gives a member its target's own element name; no service has such a shape",
    "rest-xml:RestXmlHttpPayloadWithUnsetUnion": _UNSET_UNION,
    "rest-xml:XmlLists": _LIST_NAME,
    "smithy-rpc-v2-cbor:RpcV2CborExtraFieldsInTheBodyShouldBeSkippedByClients": _STRANGE,
    "smithy-rpc-v2-cbor:RpcV2CborPayloadWithUnsetUnion": _STRANGE,
}

CASES = cases.load("output")


def parameters() -> list[object]:
    marks = {name: [pytest.mark.xfail(strict=True, reason=reason)] for name, reason in DIFFERS.items()}
    return [pytest.param(case, id=case.name, marks=marks.get(case.name, [])) for case in CASES]


@pytest.mark.parametrize("case", parameters())
def test_result_is_written(case: Case) -> None:
    model = case.model
    operation = model.operation_model(case.operation)
    given = _given(case)
    if "error" in case.case:
        expected = {"Error": {"Code": case.case["errorCode"], "Message": case.case.get("errorMessage", "")}}
        expected |= cases.typed(model.shape_for_error_code(case.case["errorCode"]), case.case["error"])
        assert _understood(case, model, _write_error(case, model)) == cases.comparable(expected)
        return
    result = cases.typed(operation.output_shape, case.case["result"]) or {}
    request_id = HeadersDict(given.headers).get("x-amzn-requestid", "requestid")
    written = case.wire(model).write_result(case.operation, result, request_id)
    assert written.status == given.status
    _compare_headers(case, written)
    understood = _understood(case, model, written)
    # where botocore shows more than the result (a map of no headers), it must show the same of the case's answer
    assert understood == cases.comparable(result) or understood == _understood(case, model, given)
    if given.body:
        assert _document(case, written.body) == _document(case, given.body)


def _write_error(case: Case, model: Any) -> HttpResponse:
    shape = model.shape_for_error_code(case.case["errorCode"])
    fields = cases.typed(shape, case.case["error"]) if shape is not None else {}
    fields = {name: value for name, value in fields.items() if name.lower() != "message"}
    error = ServiceError(case.case["errorCode"], case.case.get("errorMessage", ""), 400, fields)
    written: HttpResponse = case.wire(model).write_error(case.operation, error, "requestid")
    assert written.status == case.case["response"]["status_code"]
    return written


def _given(case: Case) -> HttpResponse:
    response = case.case["response"]
    headers = tuple(response.get("headers", {}).items())
    return HttpResponse(response.get("status_code", 200), headers, cases.body_of(case, response))


def _understood(case: Case, model: Any, response: HttpResponse) -> Any:
    """What botocore makes of a response, as its own tests look at it."""
    parser = parsers.create_parser(case.protocol)
    operation = model.operation_model(case.operation)
    body: Any = response.body
    if not body and case.protocol in ("query", "ec2"):
        body = b"<xml/>"
    shape = operation.output_shape
    raw = {"status_code": response.status, "headers": HeadersDict(response.headers), "body": body, "context": {}}
    if case.protocol == "query" and shape is not None:
        shape.serialization["resultWrapper"] = f"{case.operation}Result"
    found = parser.parse(raw, shape)
    if "error" in case.case:
        found = {"Error": {key: found["Error"].get(key) or "" for key in ("Code", "Message")}}
        error_shape = model.shape_for_error_code(found["Error"]["Code"])
        if error_shape is not None:
            found |= parser.parse(raw, error_shape)
    found.pop("ResponseMetadata", None)
    return cases.comparable(found)


def _compare_headers(case: Case, written: HttpResponse) -> None:
    """Each header of the case is there; the kind of a document is the protocol's, whatever its parameters."""
    ours = HeadersDict(written.headers)
    for name, value in case.case["response"].get("headers", {}).items():
        if name.lower() in ("content-type", "content-length"):
            continue
        assert ours.get(name, "").replace(", ", ",") == value.replace(", ", ",")


def _document(case: Case, body: Any) -> Any:
    """A body without what is representation only: the order of members, an offset, three zeros of a second."""
    if not body:
        return None
    if case.protocol == "smithy-rpc-v2-cbor":
        return _plain(cases.comparable(cbor2.loads(body))) or None
    if "json" in case.protocol:
        try:
            return _plain(json.loads(body)) or None
        except ValueError:
            return body
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return body
    return _tree(root)[1:] if len(root) or root.text else None


def _tree(node: ElementTree.Element) -> Any:
    """An element without namespaces and without the envelope of the query protocols."""
    named = [(child.tag.rpartition("}")[2], child) for child in node]
    children = [_tree(child) for name, child in named if name not in ("ResponseMetadata", "requestId", "RequestId")]
    text = _plain((node.text or "").strip()) if not children else ""
    return node.tag.rpartition("}")[2], sorted(node.attrib.items()), text, sorted(children, key=repr)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items() if item is not None}
        case list():
            return [_plain(item) for item in value]
        case str() if _MOMENT.fullmatch(value):
            return datetime.fromisoformat(value).timestamp()
    return value


def test_all_cases_are_run() -> None:
    assert len(CASES) == 365
    assert len(DIFFERS) == 16
    assert len({case.name for case in CASES}) == 365
    assert DIFFERS.keys() <= {case.name for case in CASES}

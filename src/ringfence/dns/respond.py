"""A DNS query's bytes -> the response's, from the model alone. Pure; called by `dns.server` for each query.

What is not a query gets no answer or FORMERR; what the model does not know is NXDOMAIN: nothing is asked elsewhere.
"""

from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from ringfence.dns.rdata import make_name, make_rdata, spell_name
from ringfence.network.resolve import Answer, resolve, stand
from ringfence.network.topology import Topology
from ringfence.network.topology.listener import Vantage

_PAYLOAD = 1232  # what crosses any path unfragmented: https://www.dnsflagday.net/2020/
_PLAIN = 512
_HEADER = 12
_SOA_TTL = 60
# A zone of ours for negative answers; its numbers are those of Amazon's resolvers.
_SOA = "ns-0.amazonaws.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 60"

_RCODES: dict[str, dns.rcode.Rcode] = {
    "NOERROR": dns.rcode.NOERROR,
    "NXDOMAIN": dns.rcode.NXDOMAIN,
    "SERVFAIL": dns.rcode.SERVFAIL,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """How the query came: where the resolver stands, who asks it, and whether its answer may be long."""

    vantage: Vantage
    source: str
    tcp: bool


def respond(wire: bytes, asked: Asked, topology: Topology | None) -> bytes | None:
    """The response, or None where Amazon's resolver would stay silent. `topology` is None before the first one."""
    if len(wire) < _HEADER or wire[2] & 0x80:  # too short to name an id, or itself a response
        return None
    try:
        query = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError):
        return _malformed(wire)
    response = dns.message.make_response(query, recursion_available=True, our_payload=_PAYLOAD)
    rcode = _refusal(query)
    if rcode is None and topology is None:
        rcode = dns.rcode.SERVFAIL
    if rcode is not None:
        response.set_rcode(rcode)
        return response.to_wire()
    assert topology is not None
    question = query.question[0]
    vantage = stand(topology, asked.vantage, asked.source)
    answer = resolve(topology, vantage, spell_name(question.name), dns.rdatatype.to_text(question.rdtype))
    if answer.code == "REFUSED":
        return None  # no resolver stands there
    _fill(response, question, answer)
    return _fit(response, query, asked.tcp)


def _refusal(query: dns.message.Message) -> dns.rcode.Rcode | None:
    if query.opcode() != dns.opcode.QUERY:
        return dns.rcode.NOTIMP
    if len(query.question) != 1:
        return dns.rcode.FORMERR
    if query.edns > 0:
        return dns.rcode.BADVERS
    question = query.question[0]
    if question.rdclass != dns.rdataclass.IN or question.rdtype in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
        return dns.rcode.REFUSED
    return None


def _fill(response: dns.message.Message, question: dns.rrset.RRset, answer: Answer) -> None:
    """The CNAMEs on the way, then the records; without records the SOA of who says so."""
    response.set_rcode(_RCODES[answer.code])
    owner = question.name
    for link in answer.links:
        response.answer.append(dns.rrset.from_rdata(owner, link.ttl, make_rdata("CNAME", link.target)))
        owner = make_name(link.target)
    if answer.values:
        kind = dns.rdatatype.to_text(question.rdtype)
        response.answer.append(
            dns.rrset.from_rdata_list(owner, answer.ttl, [make_rdata(kind, value) for value in answer.values])
        )
    elif answer.code != "SERVFAIL":
        # RFC 2308: without an SOA a resolver may not keep the negative answer
        parent = owner.parent() if len(owner) > 1 else dns.name.root
        zone = make_name(answer.zone) if answer.soa else parent
        soa, ttl = answer.soa or (_SOA, _SOA_TTL)
        response.authority.append(dns.rrset.from_rdata(zone, ttl, make_rdata("SOA", soa)))


def _fit(response: dns.message.Message, query: dns.message.Message, tcp: bool) -> bytes:
    """The wire; by UDP no longer than the client takes, else empty and marked: it asks again by TCP."""
    if tcp:
        return response.to_wire()
    limit = max(_PLAIN, min(query.payload, _PAYLOAD)) if query.edns >= 0 else _PLAIN
    try:
        return response.to_wire(max_size=limit)
    except dns.exception.TooBig:
        response.answer.clear()
        response.authority.clear()
        response.flags |= dns.flags.TC
        return response.to_wire()


def _malformed(wire: bytes) -> bytes:
    """FORMERR with the query's id and opcode: all that can be said of what cannot be read."""
    return wire[:2] + bytes([0x80 | wire[2] & 0x79, 0x80 | dns.rcode.FORMERR]) + bytes(8)

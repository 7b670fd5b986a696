"""Hosted zones' records on the wire, read back by dnspython."""

import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from ringfence.dns.rdata import make_name, make_rdata, spell_name
from ringfence.dns.respond import Asked, respond
from ringfence.network.topology import Topology
from ringfence.network.topology.hosted_zone import HostedZone, RecordSet
from ringfence.network.topology.listener import Vantage

SOA = "ns-0.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
ASKED = Asked(Vantage("internet"), "203.0.113.7", tcp=True)
SETS = (
    RecordSet("a.test", "SOA", 900, (SOA,)),
    RecordSet("a.test", "MX", 60, ("10 Mail.a.test", "20 backup.a.test.")),
    RecordSet("a.test", "TXT", 60, ('"one" "t\\167o \\042x\\042"', '"three"')),
    RecordSet("_ldap._tcp.a.test", "SRV", 60, ("0 5 389 ldap.a.test",)),
    RecordSet("6.a.test", "AAAA", 60, ("2001:DB8:0::1",)),
    RecordSet("x.a.test", "CNAME", 30, ("y.a.test",)),
    RecordSet("y.a.test", "A", 40, ("10.0.0.1",)),
    RecordSet("odd\\044name.a.test", "A", 40, ("10.0.0.2",)),
    RecordSet("n.a.test", "CNAME", 30, ("nowhere.b.test",)),
)


@pytest.fixture
def topology() -> Topology:
    zone = HostedZone("Z1", "a.test", False, (), {(one.name, one.type): one for one in SETS})
    return Topology(1, "us-west-2", {}, {}, (), (), zones=(zone,))


def ask(topology: Topology, name: str, kind: str) -> dns.message.Message:
    wire = respond(dns.message.make_query(name, kind).to_wire(), ASKED, topology)
    assert wire is not None
    return dns.message.from_wire(wire)


@pytest.mark.parametrize(
    ("name", "kind", "answers"),
    [
        ("a.test", "MX", {"10 Mail.a.test.", "20 backup.a.test."}),
        ("a.test", "TXT", {'"one" "two \\"x\\""', '"three"'}),
        ("_LDAP._tcp.a.test", "SRV", {"0 5 389 ldap.a.test."}),
        ("6.a.test", "AAAA", {"2001:db8::1"}),
        ("a.test", "SOA", {SOA}),
        ("odd$name.a.test", "A", {"10.0.0.2"}),
    ],
)
def test_each_type(topology: Topology, name: str, kind: str, answers: set[str]) -> None:
    response = ask(topology, name, kind)
    assert {item.to_text() for item in response.answer[0]} == answers
    assert response.answer[0].ttl in (40, 60, 900)


def test_a_cname_comes_with_what_it_leads_to(topology: Topology) -> None:
    first, second = ask(topology, "X.a.test", "A").answer
    assert (first.rdtype, first.ttl, first[0].to_text()) == (dns.rdatatype.CNAME, 30, "y.a.test.")
    assert (second.name.to_text(), second.ttl, second[0].to_text()) == ("y.a.test.", 40, "10.0.0.1")
    lost = ask(topology, "n.a.test", "A")
    assert lost.rcode() == dns.rcode.NXDOMAIN and len(lost.answer) == 1


def test_a_negative_answer_holds_the_zones_soa(topology: Topology) -> None:
    response = ask(topology, "no.such.a.test", "A")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert (response.authority[0].name.to_text(), response.authority[0].ttl) == ("a.test.", 900)
    assert ask(topology, "y.a.test", "TXT").rcode() == dns.rcode.NOERROR


def test_names_on_the_wire_and_in_records() -> None:
    for text in ("a.test", "odd\\044name.test", "*.test", "sp\\040ace.test", "d\\056ot.test"):
        assert spell_name(make_name(text)) == text
    assert make_rdata("TXT", '"\\303\\244"').strings == ("ä".encode(),)

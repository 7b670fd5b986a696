"""Queries as bytes in, responses as bytes out, read back by dnspython."""

import dns.flags
import dns.message
import dns.rcode
import pytest

from ringfence.dns.respond import Asked, respond
from ringfence.network.topology import PublicService, Topology
from ringfence.network.topology.listener import Vantage

NAME = "runtime.sagemaker.us-west-2.amazonaws.com"
ASKED = Asked(Vantage("internet"), "203.0.113.7", tcp=False)


@pytest.fixture
def topology():
    services = (
        PublicService("sagemaker.runtime", "us-west-2", "198.19.4.12", (NAME,)),
        PublicService("s3", "us-west-2", "198.18.4.10", ("*.s3.us-west-2.amazonaws.com",)),
    )
    return Topology(1, "us-west-2", {}, {}, services, ())


def ask(topology, name, kind="A", asked=ASKED, **options):
    query = dns.message.make_query(name, kind, **options)
    wire = respond(query.to_wire(), asked, topology)
    if wire is None:
        return None
    response = dns.message.from_wire(wire)
    assert query.is_response(response)
    return response


def test_an_address(topology):
    response = ask(topology, NAME.upper())
    assert response.rcode() == dns.rcode.NOERROR
    assert [str(item) for rrset in response.answer for item in rrset] == ["198.19.4.12"]
    assert response.flags & dns.flags.RA


def test_no_ipv6_address_is_nodata_with_an_soa(topology):
    response = ask(topology, NAME, "AAAA")
    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])
    assert response.authority[0].rdtype == dns.rdatatype.SOA


def test_an_unknown_name_does_not_exist_and_is_not_asked_elsewhere(topology):
    response = ask(topology, "www.python.org")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert response.authority[0].rdtype == dns.rdatatype.SOA
    assert ask(topology, ".", "NS").rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


def test_edns_is_answered_in_kind(topology):
    assert ask(topology, NAME, use_edns=0, payload=4096).edns == 0
    assert ask(topology, NAME, use_edns=False).edns == -1
    assert ask(topology, NAME, use_edns=1).rcode() == dns.rcode.BADVERS


def test_what_is_no_query_of_the_internet_class_is_refused(topology):
    assert ask(topology, NAME, rdclass="CH").rcode() == dns.rcode.REFUSED
    assert ask(topology, NAME, "AXFR").rcode() == dns.rcode.REFUSED
    notify = dns.message.make_query(NAME, "A")
    notify.set_opcode(dns.opcode.NOTIFY)
    assert dns.message.from_wire(respond(notify.to_wire(), ASKED, topology)).rcode() == dns.rcode.NOTIMP


def test_a_long_answer_goes_to_tcp(topology, monkeypatch):
    from ringfence.network.resolve import Answer

    many = Answer("NOERROR", tuple(f"10.0.{i // 200}.{i % 200}" for i in range(400)))
    monkeypatch.setattr("ringfence.dns.respond.resolve", lambda *_: many)
    response = ask(topology, NAME)
    assert response.flags & dns.flags.TC
    assert not response.answer
    whole = ask(topology, NAME, asked=Asked(Vantage("internet"), "203.0.113.7", tcp=True))
    assert len(whole.answer[0]) == 400


@pytest.mark.parametrize("size", range(12))
def test_a_stump_is_ignored(topology, size):
    assert respond(dns.message.make_query(NAME, "A").to_wire()[:size], ASKED, topology) is None


def test_garbage_is_a_format_error(topology):
    wire = dns.message.make_query(NAME, "A").to_wire()
    answer = respond(wire[:20], ASKED, topology)
    assert answer is not None
    assert answer[:2] == wire[:2]
    assert answer[3] & 15 == dns.rcode.FORMERR


def test_a_response_is_not_answered(topology):
    """Two resolvers must not talk to each other for ever."""
    response = dns.message.make_response(dns.message.make_query(NAME, "A"))
    assert respond(response.to_wire(), ASKED, topology) is None


def test_before_the_first_topology_the_server_fails(topology):
    assert ask(None, NAME).rcode() == dns.rcode.SERVFAIL


def test_a_vpc_without_dns_support_stays_silent(topology):
    assert ask(topology, NAME, asked=Asked(Vantage("vpc", "vpc-gone"), "10.0.0.7", tcp=False)) is None

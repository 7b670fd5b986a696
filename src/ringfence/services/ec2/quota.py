"""AWS's default quotas of the VPC family, and the errors that say one is reached.

https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
"""

from ringfence.core.errors import ServiceError

VPCS = 5  # per region
CIDRS_PER_VPC = 5
SUBNETS_PER_VPC = 200
ROUTE_TABLES_PER_VPC = 200
ROUTES_PER_TABLE = 500
NETWORK_ACLS_PER_VPC = 200
ACL_ENTRIES_PER_DIRECTION = 20  # with the `*` entry
SECURITY_GROUPS = 2500  # per region
RULES_PER_DIRECTION = 60  # per group, IPv4 and IPv6 each
GROUPS_PER_INTERFACE = 5
PREFIX_LISTS = 100  # per region
INTERFACES = 5000  # per region
GATEWAY_ENDPOINTS = 20  # per region
INTERFACE_ENDPOINTS_PER_VPC = 50
INTERNET_GATEWAYS = 5  # per region
ELASTIC_IPS = 5  # per region
NAT_GATEWAYS_PER_ZONE = 5
PEERINGS_PER_VPC = 50  # active ones
OUTSTANDING_PEERINGS = 25  # requests of an account that nobody has answered yet
VPN_GATEWAYS = 5  # per region, as the next two: https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html
CUSTOMER_GATEWAYS = 50
VPN_CONNECTIONS = 50
VPN_CONNECTIONS_PER_GATEWAY = 10
STATIC_ROUTES_PER_CONNECTION = 100


def check(have: int, most: int, code: str, what: str) -> None:
    """Refuse one more when `have` are there already."""
    if have >= most:
        raise ServiceError(code, f"The maximum number of {what} has been reached.")

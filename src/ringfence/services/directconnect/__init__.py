"""Direct Connect: dedicated connections and private virtual interfaces to virtual private gateways. One file a noun.

There are no Direct Connect gateways, hosted connections, LAGs, public or transit virtual interfaces.
"""

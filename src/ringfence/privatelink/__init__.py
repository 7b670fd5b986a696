"""Listeners inside namespaces: the certificate authority, sockets kept to the topology, credentials, a test host."""

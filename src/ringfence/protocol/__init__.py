"""AWS wire protocols without I/O, from botocore's service models.

Bytes to (operation, params); result or error to bytes.

`wire.choose` picks the protocol that a client speaks; the Wire that it returns does the rest.
"""

"""Questions to a container that are not about its model: the story and the tests look at the machine from inside it.

Packed beside the inference code, and run in the container.
"""

import socket
import time

STARTED = time.time()


def answer(question):
    """What is seen from here; None if the question is one for the model."""
    if "connect" in question:
        return {"connect": connect(*question["connect"])}
    if "started" in question:
        return {"started": STARTED}
    if "sleep" in question:
        time.sleep(question["sleep"])
        return {"slept": question["sleep"]}
    if "interfaces" in question:
        return {"interfaces": [name for _, name in socket.if_nameindex()]}
    return None


def connect(host, port):
    try:
        with socket.create_connection((host, port), timeout=3):
            return "connected"
    except OSError as error:
        return f"{type(error).__name__}: {error}"

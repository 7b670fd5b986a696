"""The inference code that the model archive carries, in the form of AWS's scikit-learn containers.

Beside predictions it answers to a probe, with which the story looks at the network from inside the container.
"""

import json
import os
import socket
import time

import joblib

STARTED = time.time()


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))


def input_fn(body, content_type):
    if content_type != "application/json":
        raise ValueError(f"unsupported content type {content_type}")
    return json.loads(body)


def predict_fn(data, model):
    if "connect" in data:
        return {"connect": connect(*data["connect"])}
    if "started" in data:
        return {"started": STARTED}
    if "sleep" in data:
        time.sleep(data["sleep"])
        return {"slept": data["sleep"]}
    if "interfaces" in data:
        return {"interfaces": [name for _, name in socket.if_nameindex()]}
    return {"classes": model.predict(data["rows"]).tolist()}


def output_fn(prediction, accept):
    return json.dumps(prediction)


def connect(host, port):
    try:
        with socket.create_connection((host, port), timeout=3):
            return "connected"
    except OSError as error:
        return f"{type(error).__name__}: {error}"

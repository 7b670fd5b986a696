"""The demo's inference code, but the model is loaded when somebody asks for a prediction. Not a test file.

Few scenarios do, and scikit-learn takes two seconds of a processor to import, in each of their instances.
"""

import json

import probe  # the demo's; both are in the archive


def model_fn(model_dir):
    return model_dir


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(data, model_dir):
    if (seen := probe.answer(data)) is not None:
        return seen
    import joblib

    return {"classes": joblib.load(f"{model_dir}/model.joblib").predict(data["rows"]).tolist()}


def output_fn(prediction, accept):
    return json.dumps(prediction)

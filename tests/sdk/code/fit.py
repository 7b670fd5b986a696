"""The user's script of the flows: fits a line, and serves it."""

import argparse
import json
import os

import joblib
import numpy
from sklearn.linear_model import LinearRegression


def model_fn(directory):
    return joblib.load(os.path.join(directory, "model.joblib"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float)
    parser.add_argument("--label", type=str)
    arguments = parser.parse_args()
    rows = numpy.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv"), delimiter=",")
    model = LinearRegression().fit(rows[:, 1:], rows[:, 0] * arguments.scale)
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
    with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "report.json"), "w") as file:
        json.dump({"rows": len(rows), "label": arguments.label}, file)
    print(f"fitted {len(rows)} rows on {os.environ['SM_CURRENT_HOST']} score={model.score(rows[:, 1:], rows[:, 0])};")


if __name__ == "__main__":
    main()

"""Train a classifier on the iris data that scikit-learn ships, and pack it with its inference code."""

import tarfile
from pathlib import Path

PROGRAM = Path(__file__).with_name("inference.py")


def train(directory: Path, program: Path = PROGRAM) -> tuple[Path, list[list[float]], list[int], float]:
    """Write model.tar.gz into `directory`: its path, five unseen rows, their true classes, the accuracy on all.

    `program`: what loads the model and asks it.
    """
    import joblib  # here: these take two seconds of the processor, of everybody who imports demo.data
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split

    rows, classes = load_iris(return_X_y=True)
    train_rows, test_rows, train_classes, test_classes = train_test_split(
        rows, classes, random_state=7, stratify=classes
    )
    model = LogisticRegression(max_iter=500).fit(train_rows, train_classes)
    joblib.dump(model, directory / "model.joblib")
    archive = directory / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(directory / "model.joblib", "model.joblib")
        tar.add(program, "code/inference.py")
        tar.add(Path(__file__).with_name("probe.py"), "code/probe.py")
    predicted = model.predict(test_rows[:5]).tolist()
    return archive, test_rows[:5].tolist(), predicted, float(model.score(test_rows, test_classes))

"""The user's processing script of the flows: doubles each number of its input."""

import argparse
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--factor", type=int)
factor = parser.parse_args().factor
source = pathlib.Path("/opt/ml/processing/input")
target = pathlib.Path("/opt/ml/processing/output")
for path in sorted(source.rglob("*.txt")):
    numbers = [int(line) * factor for line in path.read_text().split()]
    (target / path.name).write_text("\n".join(map(str, numbers)))
    print(f"prepared {len(numbers)} numbers of {path.name}")

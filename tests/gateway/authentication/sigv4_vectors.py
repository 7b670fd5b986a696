"""AWS's Signature Version 4 vectors, which botocore's source distribution carries."""

import importlib.util
from pathlib import Path


def vectors() -> list[Path]:
    """The `.req` file of each vector; its `.creq`, `.sts` and `.authz` lie beside it."""
    path = Path(__file__).parents[2] / "protocol" / "corpus.py"
    spec = importlib.util.spec_from_file_location("protocol_corpus", path)
    assert spec is not None
    assert spec.loader is not None
    corpus = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(corpus)
    root: Path = corpus.corpus_root()
    return sorted(root.rglob("aws4_testsuite/**/*.req"))

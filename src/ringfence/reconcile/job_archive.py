"""What training leaves, as one gzipped tar: the same directory of every host. Called by `job_data`."""

import tarfile
from collections.abc import Sequence
from pathlib import Path

from ringfence.reconcile.job_tree import list_files, open_beneath


def write_archive(directories: Sequence[Path], target: Path) -> int:
    """The files of all directories, of one name the last one's; how many there were."""
    owners = {found.relative: directory for directory in directories for found in list_files(directory)}
    with tarfile.open(target, "w:gz", compresslevel=6) as tar:
        for relative, directory in sorted(owners.items()):
            with open_beneath(directory, relative) as file:
                tar.addfile(tar.gettarinfo(arcname=relative, fileobj=file), file)
    return len(owners)

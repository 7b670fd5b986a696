"""Reading and removing control groups, on trees of plain files that look like v1 and v2."""

from pathlib import Path

from ringfence.runtime.cgroup import Cgroups
from ringfence.runtime.driver import Usage


def make(path: Path, **files: str) -> None:
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)


def test_version_1(tmp_path: Path) -> None:
    make(tmp_path / "memory", memory__memsw__limit_in_bytes="1")
    make(
        tmp_path / "memory/rf1/i-1/container",
        cgroup__procs="7\n8\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    )
    groups = Cgroups("rf1", tmp_path)
    assert groups.path("i-1") == "/rf1/i-1/container"
    assert not groups.unified
    assert groups.can_limit_swap()
    assert groups.pids("i-1") == {7, 8}
    assert groups.out_of_memory("i-1")
    assert groups.pids("i-2") == frozenset()
    assert not groups.out_of_memory("i-2")


def test_version_2(tmp_path: Path) -> None:
    make(tmp_path / "rf1/i-1", memory__events="low 0\noom 0\noom_kill 1\n", cgroup__procs="")
    make(tmp_path / "rf1/i-1/container", cgroup__procs="9\n")
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    groups = Cgroups("rf1", tmp_path)
    assert groups.unified
    assert not groups.can_limit_swap()
    assert groups.pids("i-1") == {9}
    assert groups.out_of_memory("i-1")


def test_usage_leaves_out_what_is_only_cached(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    make(one / "cpuacct/rf1/i-1/container", cpuacct__usage="2500000000\n")
    stat = "cache 9\ninactive_file 1\ntotal_inactive_file 30\n"
    make(one / "memory/rf1/i-1/container", memory__usage_in_bytes="100\n", memory__stat=stat)
    assert Cgroups("rf1", one).usage("i-1") == Usage(2.5, 70)
    make(two / "rf1/i-1/container", memory__current="100\n", memory__stat="anon 60\ninactive_file 30\n")
    (two / "cgroup.controllers").write_text("cpu memory pids\n")
    assert Cgroups("rf1", two).usage("i-1") is None, "not all is there (yet)"
    (two / "rf1/i-1/container/cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    assert Cgroups("rf1", two).usage("i-1") == Usage(2.5, 70)


def test_remove_takes_directories_only(tmp_path: Path) -> None:
    for hierarchy in ("memory", "pids"):
        (tmp_path / hierarchy / "rf1/i-1/container").mkdir(parents=True)
        (tmp_path / hierarchy / "rf1/i-2/container").mkdir(parents=True)
    groups = Cgroups("rf1", tmp_path)
    groups.remove("i-1")
    assert not (tmp_path / "memory/rf1/i-1").exists()
    assert (tmp_path / "memory/rf1/i-2").exists()
    groups.remove_all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["memory", "pids"]
    assert not (tmp_path / "memory/rf1").exists()

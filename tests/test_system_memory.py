"""The limit of a container or of a Slurm job is seen, by both versions of cgroups."""

import pytest

from vis_bench import system_memory
from vis_bench.system_memory import available_memory, total_memory

GIB = 1 << 30
UNLIMITED_V1 = 9223372036854771712
NAMES = {
    "v2": ("", "memory.max", "memory.current", "inactive_file"),
    "v1": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 64 GiB, of which 48 are free."""
    (tmp_path / "meminfo").write_text(
        f"MemTotal: {64 << 20} kB\nMemFree: 1 kB\nMemAvailable: {48 << 20} kB\n"
    )
    monkeypatch.setattr(system_memory, "_MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(system_memory, "_OWN_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(system_memory, "_GROUPS", tmp_path / "groups")
    return tmp_path


def limit(machine, version, group, most, used, cache=0):
    """Writes the files of a group, as the kernel does."""
    root, limit_name, used_name, cache_name = NAMES[version]
    folder = machine / "groups" / root / group
    folder.mkdir(parents=True, exist_ok=True)
    (folder / limit_name).write_text(f"{most}\n")
    (folder / used_name).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{cache_name} {cache}\nactive_file 7\n")


def own_group(machine, version, group):
    lines = {"v2": f"0::{group}\n", "v1": f"9:name=systemd:/x\n4:cpu,memory:{group}\n0::/\n"}
    (machine / "cgroup").write_text(lines[version])


def test_without_limits_it_is_the_machines(machine):
    assert (total_memory(), available_memory()) == (64 * GIB, 48 * GIB)
    own_group(machine, "v2", "/")
    assert (total_memory(), available_memory()) == (64 * GIB, 48 * GIB)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_least_limit_of_all_groups_around_the_process_holds(machine, version):
    own_group(machine, version, "/slurm/job_1/step_0")
    none = {"v1": UNLIMITED_V1, "v2": "max"}[version]
    limit(machine, version, "slurm/job_1/step_0", none, 2 * GIB)
    limit(machine, version, "slurm/job_1", 8 * GIB, 3 * GIB, cache=GIB)
    limit(machine, version, "slurm", 32 * GIB, 30 * GIB)
    limit(machine, version, "slurm/job_2", GIB, GIB)
    assert (total_memory(), available_memory()) == (8 * GIB, 2 * GIB)
    limit(machine, version, "slurm", 32 * GIB, 32 * GIB + 4096)
    assert (total_memory(), available_memory()) == (8 * GIB, 0)
    limit(machine, version, "slurm", 128 * GIB, 70 * GIB)
    assert (total_memory(), available_memory()) == (8 * GIB, 6 * GIB)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("group", ["/docker/0123", "/", "/../sibling"])
def test_in_a_container_the_root_is_its_own_group(machine, version, group):
    own_group(machine, version, group)
    limit(machine, version, "", 4 * GIB, GIB)
    assert (total_memory(), available_memory()) == (4 * GIB, 3 * GIB)


def test_a_limit_above_the_machines_memory_changes_nothing(machine):
    own_group(machine, "v2", "/a")
    limit(machine, "v2", "a", 999 * GIB, GIB)
    assert (total_memory(), available_memory()) == (64 * GIB, 48 * GIB)


def test_a_system_that_tells_nothing_has_some(machine, monkeypatch):
    (machine / "meminfo").unlink()
    assert total_memory() == available_memory() > 0
    monkeypatch.delattr("os.sysconf")
    assert total_memory() == available_memory() == 4 * 10**9

"""constraints-oldest.txt holds the lower bound of every dependency."""

import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from paths import ROOT


def test_every_lower_bound_is_among_the_oldest_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = {}
    extras = project["optional-dependencies"]
    users = [own for name, own in extras.items() if name not in ("all", "test")]
    for text in sum(users, project["dependencies"]):
        requirement = Requirement(text)
        if requirement.name == "vis-bench":  # another extra
            continue
        [bound] = [part for part in requirement.specifier if part.operator == ">="]
        bounds[canonicalize_name(requirement.name)] = Version(bound.version)
    oldest = {}
    for line in (ROOT / "constraints-oldest.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, version = line.split("==")
            oldest[canonicalize_name(name)] = Version(version)
    tools = {"hypothesis", "pytest", "pytest-benchmark"}
    assert {name: oldest[name] for name in oldest.keys() - tools} == bounds

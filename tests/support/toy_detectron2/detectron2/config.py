"""Configs: nodes with attributes, merged strictly from YAML and from lists."""

from pathlib import Path

import yaml


class CfgNode(dict):
    """A dict with attributes."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        if self.get("_frozen"):
            raise AttributeError(f"{name} cannot be set in a frozen config")
        self[name] = value

    def merge_from_file(self, path):
        content = yaml.safe_load(Path(path).read_text())
        base = content.pop("_BASE_", None)
        if base:
            self.merge_from_file(Path(path).with_name(base))
        self._merge(content, "")

    def merge_from_list(self, pairs):
        for key, value in zip(pairs[::2], pairs[1::2]):
            *parents, last = key.split(".")
            for parent in reversed([*parents, last]):
                value = {parent: value}
            self._merge(value, "")

    def freeze(self):
        self["_frozen"] = True

    def _merge(self, content, place):
        for key, value in content.items():
            if key not in self:
                raise KeyError(f"Non-existent config key: {place}{key}")
            if isinstance(self[key], CfgNode):
                self[key]._merge(value, f"{place}{key}.")
            else:
                self[key] = value


def get_cfg():
    """The defaults of the framework, whose frames are BGR."""
    return CfgNode(
        MODEL=CfgNode(
            META_ARCHITECTURE="",
            DEVICE="cuda",
            PIXEL_MEAN=[103.53, 116.28, 123.675],
            PIXEL_STD=[1.0, 1.0, 1.0],
            SEM_SEG_HEAD=CfgNode(NUM_CLASSES=54),
        ),
        INPUT=CfgNode(FORMAT="BGR", MIN_SIZE_TEST=800, MAX_SIZE_TEST=1333),
        TEST=CfgNode(DETECTIONS_PER_IMAGE=100),
    )

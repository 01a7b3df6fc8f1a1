"""The base of other people's whole-video and online models: opening, facts, memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from methods.external_video.child import Child
from methods.external_video.provenance import opening, project_source
from vis_bench.errors import InputError
from vis_bench.hosted_method import HostedMethod
from vis_bench.method import InputFormat, MethodSource, TrackingRule


class External(HostedMethod):
    """Runs the driver in a process of its own.

    A process that ends by itself is started again once for its video; one that hangs or breaks the
    protocol fails it. The next video gets a new process.

    Args:
        spec: of the driver, without a device.
        python: of that process.
        timeout: seconds for opening, and for each video.
        name, backbone: in records.
    """

    # An entry without a pixel counts in the projects' own evaluations, too.
    tracking_rule = TrackingRule(keep_empty=True)
    place_options = frozenset({"project_path", "python"})
    in_another_process = True

    def __init__(
        self, spec: Mapping[str, Any], python: str, timeout: float, name: str, backbone: str
    ) -> None:
        super().__init__()
        self.record_name = name or None
        self.backbone_name = backbone
        self.weights_source = spec["function"] or None
        self._spec = dict(spec)
        self._python = python
        self._num_classes = spec["num_classes"]
        self._timeout = timeout
        self._source = project_source(Path(spec["project_path"]), python, Path(spec["config_file"]))
        self._session: Child | None = None
        # Moves with the method, so that the driver gets the device.
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def method_source(self) -> MethodSource:
        """The project's source files, commit and environment."""
        return self._source

    def prepare_for_inference(self) -> None:
        """Open the model and try it on gray frames, before the first video."""
        super().prepare_for_inference()
        facts = self._running().facts
        self.input_format = InputFormat(**facts["input"])

    def take_weights(self, path: Path) -> bool:
        """Keep the file for the driver."""
        self._spec["weights"] = str(path.resolve())
        return True

    def resolved_kernel_backend(self, device: torch.device) -> str | None:
        """Implementation of deformable attention in the trial; None before it, and without any."""
        return None if self._session is None else self._session.facts["deformable_attention"]

    def check_resolution(self, resolution: int | str) -> None:
        """Refuse a resolution that is not the one of the project's config."""
        known = self._running().facts["resolutions"]
        if known is not None and resolution not in known:
            listed = " or ".join(map(str, known))
            raise InputError(
                f"resolution is {resolution}; expected {listed}, as in {self._spec['config_file']}"
            )

    @property
    def num_params(self) -> int | None:
        """The number of learnable parameters; None before the model is built, and where unknown."""
        return None if self._session is None else self._session.facts["num_params"]

    def take_peaks(self) -> Mapping[str, int | None]:
        """Values of the other process."""
        return {} if self._session is None else self._session.take_peaks()

    def _running(self) -> Child:
        if self._session is None:
            spec = {**self._spec, "device": str(self._place.device)}
            # Not a method of this object, which would then be part of a cycle with its process.
            unchanged = partial(
                opening,
                Path(spec["project_path"]),
                self._source.sha256,
                spec["weights"] and Path(spec["weights"]),
                self.weights_sha256,
            )
            self._session = Child(self._python, spec, self._timeout, unchanged)
        return self._session

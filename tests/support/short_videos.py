"""Two plain synthetic videos on disk, cut to three frames: quick to read and to infer."""

import json

from vis_bench.data.synthetic import write_dataset
from vis_bench.progress import Bars


def write_short_videos(folder):
    """Writes `val.json` and the frames; returns the annotations."""
    write_dataset(folder, Bars(quiet=True), plain=True, num_videos={"val": 2})
    content = json.loads((folder / "val.json").read_text())
    for video in content["videos"]:
        video.update(length=3, file_names=video["file_names"][:3])
    for entry in content["annotations"]:
        entry.update({k: v[:3] for k, v in entry.items() if isinstance(v, list)}, length=3)
    (folder / "val.json").write_text(json.dumps(content))
    return content

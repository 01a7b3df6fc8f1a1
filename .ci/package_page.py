"""The package's page: the README, and the project's links, for the repository it is built from."""

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"<picture>.*?</picture>\n+", re.DOTALL)
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)]+)\)")
_FILE = re.compile(r'(src|srcset)="(?!https?:)')
_PAGES = {"Documentation": "docs", "Changelog": "CHANGELOG.md", "Security": "SECURITY.md"}


def repository(remote: str) -> str | None:
    """Address of the repository's web page, without credentials; None for a folder's path."""
    if copied_by_ssh := re.fullmatch(r"(?:ssh://)?[\w.-]+@([\w.-]+)[:/](.+)", remote):
        host, path = copied_by_ssh.groups()
    else:
        parts = urlsplit(remote)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        host, path = parts.netloc.rpartition("@")[2], parts.path
    return f"https://{host}/{path.strip('/').removesuffix('.git')}"


def page(readme: str, address: str | None) -> str:
    """README with absolute links; without an address pictures are left out, and links are text."""
    if address is None:
        return _LINK.sub(r"\1", _PICTURE.sub("", readme))
    readme = _FILE.sub(rf'\1="{address}/raw/HEAD/', readme)
    return _LINK.sub(rf"[\1]({address}/blob/HEAD/\2)", readme)


class PackagePage(MetadataHookInterface):
    """Fills in the fields `readme` and `urls`, whose links need the address of git's origin."""

    def update(self, metadata: dict) -> None:
        """Set both fields; `urls` is empty where the origin has no address on the web."""
        root, origin = Path(self.root), ""
        if (root / ".git").exists() and shutil.which("git"):
            command = ["git", "-C", str(root), "remote", "get-url", "origin"]
            origin = subprocess.run(command, capture_output=True, text=True).stdout.strip()
        address = repository(origin)
        text = page((root / "README.md").read_text(encoding="utf-8"), address)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = {}
        if address is not None:
            pages = {name: f"{address}/blob/HEAD/{path}" for name, path in _PAGES.items()}
            metadata["urls"] = {"Repository": address, "Issues": f"{address}/issues", **pages}

"""Where things are in a checkout, for tests."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
CONFIGS = ROOT / "configs"

"""The programs that are measured, as cargo built them for release."""

import os
import subprocess
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", SOURCES / "target")) / "release"
EXAMPLES = RELEASE / "examples"
RETALLY = RELEASE / "retally"


def generate(root, *, runs, events, shape="own"):
    """Makes a root with so many runs, and so many events in all."""
    counts = ["--runs", str(runs), "--events", str(events), "--shape", shape]
    subprocess.run([EXAMPLES / "generate_logs", "--root", root, *counts], check=True)

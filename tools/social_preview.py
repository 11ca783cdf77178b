"""Render the picture that sites show for a link to the repository.

    python -m tools.social_preview            # docs/images/social-preview.svg → social-preview.png, 1280 x 640

Needs Chromium on the PATH. CONTRIBUTING.md says where to upload the picture.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "docs/images/social-preview.svg"
WIDTH, HEIGHT = 1280, 640
"""GitHub's size in pixels."""
MOST_BYTES = 1_000_000
"""GitHub's limit for the file."""
RENDER_SECONDS = 60


def render(target: Path, chromium: str = "chromium") -> None:
    """Draw the picture into a PNG file."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(f"<!doctype html><style>body{{margin:0}}svg{{display:block}}</style>{SOURCE.read_text()}")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"]
        where = [f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={target}"]
        command = [chromium, *flags, *where, page.as_uri()]
        subprocess.run(command, capture_output=True, timeout=RENDER_SECONDS, check=True)


if __name__ == "__main__":
    render(SOURCE.with_suffix(".png"))
    sys.exit(None if SOURCE.with_suffix(".png").stat().st_size < MOST_BYTES else "the picture is too large for GitHub")

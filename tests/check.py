"""The one check, for a person and for CI alike: format, lint, types, import rule, tests.

    python tests/check.py

It stops at the first step that fails and ends with that step's exit code.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
STEPS = {
    "format": [sys.executable, "-m", "ruff", "format", "--check", "--quiet", "."],
    "lint": [sys.executable, "-m", "ruff", "check", "--quiet", "."],
    "types": [sys.executable, "-m", "mypy"],
    "import rule": [str(PROGRAMS / "lint-imports"), "--no-logo"],
    "tests": [sys.executable, "-m", "pytest"],
}


def main() -> int:
    """Run every step and say how long each took."""
    for name, command in STEPS.items():
        start = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        print(f"check: {name} {'failed' if code else 'good'}, {time.monotonic() - start:.0f} s", flush=True)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`snakemake --lint`, passing over one lint openly: a conda environment or container per rule.

The whole project is one Python environment with exact pins (requirements.txt, `make setup`);
a second description of it per rule would only be able to disagree. Every other lint fails.
"""

import json
import subprocess
import sys

PASSED_OVER = "Specify a conda environment or container for each rule."


def main() -> int:
    """Exit status 0 when nothing but the passed-over lint is left."""
    run = subprocess.run(
        ["snakemake", "--lint", "json", "--configfile", "config/demo.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    start = run.stdout.find("{")
    if start < 0:
        print(run.stdout, run.stderr)
        return run.returncode
    report = json.loads(run.stdout[start:])
    left = [
        (place.get("rule") or place.get("snakefile"), lint["title"], lint["body"])
        for key in ("rules", "snakefiles")
        for place in report.get(key, [])
        for lint in place["lints"]
        if lint["title"] != PASSED_OVER
    ]
    for place, title, body in left:
        print(f"{place}: {title}\n    {body}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())

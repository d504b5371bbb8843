"""List every package that lorag is installed with, and look each up among the known advisories.

`make lint` runs it. The list, a CycloneDX SBOM made of requirements.lock, goes to build/sbom.json. Exit status 1 means
that a package has an advisory that nobody gave a reason for. Where the database of advisories cannot be reached, it
says that nothing was looked up, and passes.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
SBOM = ROOT / "build" / "sbom.json"

ACCEPTED: dict[str, str] = {}
"""The id of an advisory that does not concern lorag, and the reason why."""

_OUT_OF_REACH = re.compile(r"ConnectionError|ConnectTimeout|ReadTimeout|SSLError|ProxyError|HTTPError")


def write_sbom() -> int:
    """Write the SBOM, the same for the same lock; return the number of packages in it."""
    SBOM.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(LOCK)]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--of", "JSON", "-o", str(SBOM)]
    subprocess.run(command, check=True, capture_output=True)
    return len(json.loads(SBOM.read_text(encoding="utf-8"))["components"])


def audit() -> int:
    """Look the packages up, say what was found, and return the exit status."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip"]
    command += ["--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    for advisory in ACCEPTED:
        command += ["--ignore-vuln", advisory]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        if _OUT_OF_REACH.search(done.stderr):
            print(f"advisories: NOT looked up, because the database cannot be reached: {said[:200]}")
            return 0
        print(f"advisories: pip-audit failed: {said[:500]}")
        return 1
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    found = [(package["name"], package["version"], each) for package in packages for each in package.get("vulns", ())]
    for name, version, advisory in found:
        print(f"{name} {version}: {advisory['id']}, fixed in {', '.join(advisory['fix_versions']) or 'no version'}")
    looked_up = len(packages) - len(skipped)
    print(f"advisories: {len(found)} in {looked_up} packages; not looked up: {', '.join(skipped) or 'none'}")
    return 1 if found else 0


if __name__ == "__main__":
    print(f"{SBOM.relative_to(ROOT)}: {write_sbom()} packages")
    sys.exit(audit())

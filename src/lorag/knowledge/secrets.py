"""A detector of strings that look like live credentials."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

# All that the detectors below match contains one of these. Most text has none; then they are not even imported.
_ANCHORS = (
    *("A3T", "ABIA", "ACCA", "AKIA", "ASIA", "AccountKey=", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    *("glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "glimt-", "glptt-", "glagent-", "gloas-", "glcbt-", "GR1348941"),
    *("eyJ", "_authToken", "T3BlbkFJ", "PRIVATE KEY", "PuTTY-User-Key", "pypi-Ag", "SG.", "xox", "XOX"),
    *("hooks.slack.com", "rk_live_", "sk_live_", "sq0csp-"),
)
_AWS_SECRET = re.compile(r"""['"][0-9a-zA-Z/+]{40}['"]""")
_PLACEHOLDER = re.compile(
    r"(?i)example|sample|dummy|placeholder|redacted|changeme|your|test|fake|xxxx|\*\*\*|\.\.\.|0{8}|1234567"
)
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=]{48,}")
_KEY_WINDOW = 600  # a header, optional encryption headers, and the first lines of the key
_MIN_DISTINCT = 8


def find_secrets(text: str) -> Iterator[str]:
    """Yield the kind and line of each likely secret, such as `AWS Access Key in line 3`; never the secret itself.

    Placeholders are skipped, because documentation is full of them. Not covered: passwords in prose or in addresses,
    and keys without a known shape.
    """
    if not _may_hold_secret(text):
        return
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not _may_hold_secret(line):
            continue
        for detector in _detectors():
            found = {value for value in _matches(detector, line) if _is_plausible(value)}
            if detector.secret_type == "Private Key":  # noqa: S105 - a kind
                found = {value for value in found if _has_key_body("\n".join(lines[number - 1 : number + 20]))}
            if found:
                yield f"{detector.secret_type} in line {number}"


def _may_hold_secret(text: str) -> bool:
    return any(anchor in text for anchor in _ANCHORS) or _AWS_SECRET.search(text) is not None


@cache
def _detectors() -> tuple[Any, ...]:
    # The import takes 0.2 s, and few documents need it.
    from detect_secrets.plugins import (
        aws,
        azure_storage_key,
        github_token,
        gitlab_token,
        jwt,
        npm,
        openai,
        private_key,
        pypi_token,
        sendgrid,
        slack,
        square_oauth,
        stripe,
    )

    return (
        aws.AWSKeyDetector(),
        azure_storage_key.AzureStorageKeyDetector(),
        github_token.GitHubTokenDetector(),
        gitlab_token.GitLabTokenDetector(),
        jwt.JwtTokenDetector(),
        npm.NpmDetector(),
        openai.OpenAIDetector(),
        private_key.PrivateKeyDetector(),
        pypi_token.PypiTokenDetector(),
        sendgrid.SendGridDetector(),
        slack.SlackDetector(),
        square_oauth.SquareOAuthDetector(),
        stripe.StripeDetector(),
    )


def _matches(detector: Any, line: str) -> Iterator[str]:
    # Not the detector's own `analyze_string`: of a pattern with a group it gives the group, `ghp` for a token.
    is_valid = getattr(detector, "is_formally_valid", None)
    for pattern in detector.denylist:
        for match in pattern.finditer(line):
            if is_valid is None or is_valid(match.group()):
                yield match.group()


def _is_plausible(value: str) -> bool:
    from detect_secrets.filters import heuristic

    if "PRIVATE KEY" in value or value.startswith("PuTTY"):
        return True
    return (
        len(set(value)) >= _MIN_DISTINCT
        and not _PLACEHOLDER.search(value)
        and not heuristic.is_sequential_string(value)
        and not heuristic.is_templated_secret(value)
    )


def _has_key_body(text: str) -> bool:
    window = text[:_KEY_WINDOW].replace("\\n", "\n")
    body = _KEY_BODY.search(window)
    return body is not None and len(set(body.group())) >= 2 * _MIN_DISTINCT

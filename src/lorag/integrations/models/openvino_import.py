"""The import of OpenVINO without its telemetry."""

import sys
from typing import Any


def import_openvino() -> Any:
    """Import and return openvino.

    The import would report to its maker and write to the user's home. Without the telemetry package it falls back to a
    stub that does neither.
    """
    _leave_out_telemetry()
    import openvino

    return openvino


def import_openvino_genai() -> Any:
    """Import and return openvino_genai, which imports openvino."""
    _leave_out_telemetry()
    import openvino_genai

    return openvino_genai


def _leave_out_telemetry() -> None:
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

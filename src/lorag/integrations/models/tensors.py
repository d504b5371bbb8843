"""Safetensors files as numpy arrays."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


def read_header(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Return the type, shape and place of each tensor, and the byte at which the values begin.

    Raises ValueError for a file that is not in the format.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= size - 8:
            raise ValueError("it is no safetensors file")
        header: dict[str, dict[str, Any]] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def read_tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the float32 values of each tensor in a file, in the order of the file.

    The library's own reader for numpy knows no bfloat16. Raises ValueError for a file that is not in the format or has
    tensors of another type.
    """
    header, start = read_header(path)
    entries = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    if max((entry["data_offsets"][1] for _, entry in entries), default=0) != path.stat().st_size - start:
        raise ValueError("it is not of the size that its header says")
    data = np.memmap(path, np.uint8, "r", offset=start) if entries else np.empty(0, np.uint8)
    for name, entry in entries:
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{name} is of type {entry['dtype']}")
        first, last = entry["data_offsets"]
        values = data[first:last].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        yield name, np.asarray(values, np.float32)

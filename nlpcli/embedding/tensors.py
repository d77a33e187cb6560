"""Matrices in safetensors files, written row by row and mapped into memory: flat whatever their size.

The library writes from one copy in memory and reads into another; the format itself is a header and the numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterable

import msgspec
import numpy as np

from nlpcli.errors import ArtifactError

LONGEST_HEADER = 1 << 20
ALIGNMENT = 8


class _Tensor(msgspec.Struct):
    dtype: str
    shape: tuple[int, int]
    data_offsets: tuple[int, int]


def write_matrices(path: Path, matrices: dict[str, np.ndarray]) -> None:
    """Write float32 matrices `[rows, columns]` to a safetensors file."""
    header, end = {}, 0
    for name, matrix in matrices.items():
        start, end = end, end + matrix.nbytes
        header[name] = _Tensor("F32", matrix.shape, (start, end))
    encoded = msgspec.json.encode(header)
    encoded += b" " * (-len(encoded) % ALIGNMENT)
    with path.open("wb") as f:
        f.write(len(encoded).to_bytes(8, "little") + encoded)
        for matrix in matrices.values():
            for block in _blocks(matrix):
                f.write(np.ascontiguousarray(block, dtype="<f4").data)


def map_matrices(path: Path) -> dict[str, np.ndarray]:
    """Map the float32 matrices of a safetensors file into memory, read only.

    Raises:
        ArtifactError: the file is not of that kind, or its header does not fit its size.
    """
    try:
        with path.open("rb") as f:
            length = int.from_bytes(f.read(8), "little")
            if length > LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header = msgspec.json.decode(f.read(length), type=dict[str, msgspec.Raw])
        tensors = {name: msgspec.json.decode(raw, type=_Tensor) for name, raw in header.items() if name != "__metadata__"}
        return {name: _mapped(path, 8 + length, tensor) for name, tensor in tensors.items()}
    except (ValueError, msgspec.MsgspecError) as e:
        raise ArtifactError(f"{path} is no safetensors file of matrices", cause=str(e), fix="make it anew") from None


def _mapped(path: Path, base: int, tensor: _Tensor) -> np.ndarray:
    rows, columns = tensor.shape
    start, end = tensor.data_offsets
    if tensor.dtype != "F32" or min(rows, columns, start) < 0 or end - start != 4 * rows * columns:
        raise ValueError(f"{tensor} is no matrix of float32")
    if base + end > path.stat().st_size:
        raise ValueError("it is truncated")
    if not rows * columns:
        return np.zeros((rows, columns), np.float32)
    return np.memmap(path, dtype="<f4", mode="r", offset=base + start, shape=(rows, columns))


def _blocks(matrix: np.ndarray) -> Iterable[np.ndarray]:
    rows = max(1, (1 << 22) // max(matrix.shape[1], 1))
    return (matrix[i : i + rows] for i in range(0, len(matrix), rows))

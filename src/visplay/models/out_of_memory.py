"""What memory errors look like, and how the memory of a failed attempt is given back before the next one."""

from __future__ import annotations

import errno
import gc

import torch

# What torch, its allocators and CUDA's libraries write into a RuntimeError that has no class of its own.
_WORDS = (
    *("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory"),
    *("alloc_failed", "failed to allocate"),
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory of the host or of a device ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)


def is_device_failure(error: BaseException) -> bool:
    """Whether an error says that a device failed, so that nothing more can be computed in this process."""
    accelerator = getattr(torch, "AcceleratorError", ())
    words = ("cuda error", "cublas_status", "cudnn_status", "hip error", "nccl error")
    return isinstance(error, accelerator) or (
        isinstance(error, RuntimeError) and any(found in str(error).lower() for found in words)
    )


def free_memory() -> None:
    """Give memory that nothing uses back to the device; call it outside of `except`, whose frames hold tensors."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

"""Imports all that a run imports, for the server that processes are forked from."""

from __future__ import annotations

import accelerate.tracking as accelerate_tracking
import torch.utils.tensorboard as torch_tensorboard
import transformers.models.qwen2_5_vl.modeling_qwen2_5_vl as qwen2_5_vl
import transformers.models.qwen2_vl.image_processing_pil_qwen2_vl as qwen2_vl_images

import tests.faults.scripted as scripted
import visplay.cli.program as cli_program
import visplay.report.one_file as one_file
import visplay.selfplay.run as selfplay_run
from visplay.interfaces.component import BUILT_IN, components

IMPORTED = (
    *(accelerate_tracking, torch_tensorboard, qwen2_5_vl, qwen2_vl_images),
    *(scripted, cli_program, one_file, selfplay_run),
)
COMPONENTS = {seam: components(seam) for seam in BUILT_IN}

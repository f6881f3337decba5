"""What most parts import, loaded once in the process that their processes are forked from.

That process must not use the GPU, because a process that does cannot be forked. PEFT imports bitsandbytes, which does.
"""

import importlib.util
from importlib import import_module

import torch

MODULES = ("transformers.models.qwen2_5_vl.modeling_qwen2_5_vl", "visplay.models.vlm")
WITH_PEFT = ("visplay.models.policy", "visplay.rl.trainer")

uses_gpu = torch.backends.cuda.is_built() and importlib.util.find_spec("bitsandbytes") is not None
for name in MODULES if uses_gpu else MODULES + WITH_PEFT:
    import_module(name)

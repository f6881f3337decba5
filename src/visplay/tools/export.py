"""A role of a finished run as a folder to give away: a whole model, or its adapter alone, with a model card.

The role is that of the selected iteration. Left out: pushing to a hub, other formats.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from visplay.config import Settings
from visplay.errors import RunError, one_line
from visplay.roles.open import Role, load_base
from visplay.runs import RunDirectory, check_finished
from visplay.runs.files import read_json
from visplay.runs.open_run import legible
from visplay.tools.model_card import model_card, public_name

if TYPE_CHECKING:
    from visplay.models.vlm import VLM


def export(run: Path, role: Role, to: Path, adapter: bool = False, trust_remote_code: bool = False) -> None:
    """Write the role to the new or empty folder `to`, where nothing is seen before all of it is written.

    A model of full tuning is the run's own, byte by byte. Of LoRA the adapter is merged into a fresh copy of the
    base in the run's dtype, unquantised even if the adapter was trained on four bits.

    Args:
        adapter: the adapter alone, in PEFT format.
        trust_remote_code: run code that comes with the base of a LoRA run.
    Raises:
        RunError: the run is not finished, is in use, or has no adapter; or `to` cannot be written.
        ModelError: the base of a LoRA run cannot be loaded.
        ConfigError: the run's settings are not valid.
    """
    check_finished(run)
    # While the run is open here, nobody can write what is read.
    with RunDirectory.open(run, check=False) as directory:
        settings = directory.settings.model_copy(update={"trust_remote_code": trust_remote_code})
        source = run / role
        if not source.is_dir():
            again = f"visplay evolve --resume --out {shlex.quote(str(run))}"
            raise RunError(f"the run at {run} has no {role}; let it finish with `{again}`")
        if adapter and settings.tune == "full":
            raise RunError(f"the run at {run} was tuned in full and has no adapter; leave --adapter out")
        _refuse_links(source)
        with _filled(to) as folder:
            if settings.tune == "full":
                shutil.copytree(source, folder, dirs_exist_ok=True)
            elif adapter:
                shutil.copyfile(source / "adapter_model.safetensors", folder / "adapter_model.safetensors")
                # The file of the run, without the path of its base on this machine.
                own = read_json(source / "adapter_config.json")
                config = json.dumps(own | {"base_model_name_or_path": public_name(settings.model)}, indent=2)
                (folder / "adapter_config.json").write_text(config + "\n", encoding="utf-8")
            else:
                _merged(settings, source).save(folder)
            shutil.copyfile(source / "prompts.yaml", folder / "prompts.yaml")
            with legible(run):
                state = directory.load_state()
                images = state["parts"]["sampler"]["images"] if state else None
                card = model_card(settings, read_json(run / "summary.json"), images, role, to.resolve().name, adapter)
            (folder / "README.md").write_text(card, encoding="utf-8")


def _refuse_links(role: Path) -> None:
    """Raise a RunError for a link in a role's folder: what it leads to, such as a key, would be given away."""
    found = next((path for path in (role, *sorted(role.rglob("*"))) if path.is_symlink()), None)
    if found is not None:
        raise RunError(f"{found} is a link, and no run writes one; remove it to export the rest")


def _merged(settings: Settings, adapter: Path) -> VLM:
    """The base with the adapter's change added to its weights."""
    from peft import LoraConfig, PeftConfig, PeftModel

    base = load_base(settings.model, settings.model_copy(update={"four_bit": False, "device": "cpu"}))
    try:
        config = PeftConfig.from_pretrained(str(adapter))
        # PEFT imports the module that `megatron_core` names.
        if type(config) is not LoraConfig or config.megatron_config:
            raise RunError(f"the adapter in {adapter} is not one that a run wrote; export another run")
        model = PeftModel.from_pretrained(base.model, str(adapter), config=config).merge_and_unload(safe_merge=True)
    except (OSError, TypeError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"the adapter in {adapter} does not fit '{settings.model}': {one_line(error)}") from None
    return base.with_model(model)


@contextmanager
def _filled(to: Path) -> Iterator[Path]:
    """A folder inside `to`, which may be a link or another disk; its files move up into `to` if the block succeeds."""
    made, draft = not to.exists(), to / ".writing"
    try:
        if not made and (not to.is_dir() or any(entry != draft for entry in to.iterdir())):
            raise RunError(f"{to} is not an empty directory; choose another one for --to")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        yield draft
        for file in draft.iterdir():
            os.replace(file, to / file.name)
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot export to {to}: {' '.join(str(error).split())}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if made and to.is_dir() and not any(to.iterdir()):
            to.rmdir()

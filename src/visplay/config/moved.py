"""Settings that have another place now; an old key is refused with a line that says the new place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOVED = {
    "grpo": "rl: {kl: …, …}",
    "rl.clip_low": "rl.loss: {type: ppo_clip, clip_low: …}",
    "rl.clip_high": "rl.loss: {type: ppo_clip, clip_high: …}",
    "rl.normalisation": "rl.averaging",
    "rl.advantage_epsilon": "rl.advantages: {type: group_norm, epsilon: …}",
    "generation_batch": "engine: {type: transformers, batch: N}",
    "generation_tokens": "engine: {type: transformers, tokens: N}",
    "vllm": "engine: {type: vllm, …}",
    "server": "vote_engine: {type: server, url: …, …}",
    "questioner.memory": "questioner.history_size",
    "questioner.memory_weight": "questioner.history_weight",
    "questioner.diversity_weight": "questioner.diversity.weight",
    "questioner.diversity_threshold": "questioner.diversity.threshold",
    "questioner.diversity_scope": "questioner.diversity.scope",
    "silver.views": "silver.labeler: {type: majority, augmentations: […]}",
    "silver.fact_lists": "silver.labeler: {type: facts, lists: N}",
    "silver.band_low": "silver.gates: [{type: band, low: …}]",
    "silver.band_high": "silver.gates: [{type: band, high: …}]",
    "silver.chance_corrected": "silver.gates: [{type: band, chance_corrected: true}]",
    "silver.most_refusals": "silver.gates: [{type: answered, max_refusals: …}]",
    "silver.blind_votes": "silver.gates: [{type: needs_image, votes: N}]",
    "silver.most_blind": "silver.gates: [{type: needs_image, max_agreement: …}]",
    "silver.check_votes": "silver.gates: [{type: self_check, votes: N}]",
    "silver.most_denied": "silver.gates: [{type: self_check, max_denials: …}]",
    "silver.most_of_one_answer": "nothing: the gate 'balance' was removed",
    "silver.most_alike": "nothing: the gate 'new' was removed",
    "reasoner.views": "reasoner.augmentations",
    "reasoner.format_weight": "reasoner.reward: {type: silver, format_weight: …}",
    "reasoner.trust": "nothing: confidence weighting was removed",
    "acceptance.pictures": "acceptance.images",
    "acceptance.anchor": "acceptance.validation_set",
    "evaluation.blind": "evaluation.no_image",
    "evaluation.pass_items": "nothing: pass@k is measured on all items or not at all",
    "evaluation.beside_paper": "evaluation.paper_comparison",
}
"""By the old key: the setting that does the same now."""


def moved_keys(values: Mapping[str, Any], above: str = "") -> list[str]:
    """One sentence for every old key in nested settings: the key and the place it has now."""
    found = []
    for key, value in values.items():
        dotted = f"{above}{key}"
        if dotted in MOVED:
            found.append(f"{dotted} is now {MOVED[dotted]}")
        elif isinstance(value, Mapping):
            found += moved_keys(value, f"{dotted}.")
    return found

"""The least time that an update, a rollout and a look of the vision tower can take on a device with such ceilings.

Each distinct context is computed once, as in a token tree. Matrix products are counted, and while decoding the bytes of
weights, keys and values; see `benchmarks.floor`. Adapters are left out: they are a hundredth of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import floor, shapes
from benchmarks.gpu.ceilings import Ceilings
from visplay.models.vlm import VLM


@dataclass(frozen=True)
class Floors:
    """Floors of a model that has no adapters yet; all results are seconds.

    Attributes:
        token, pair, head, image: operations forward of a token in the decoder, of a (query, key) pair in all layers, of
            a token's logits, and of an image in the vision tower.
        weight_bytes, token_bytes: weights that a decoding step reads; keys and values of a token.
    """

    ceilings: Ceilings
    image_tokens: int
    token: float
    pair: float
    head: float
    image: float
    weight_bytes: int
    token_bytes: int

    @classmethod
    def of(cls, vlm: VLM, image_tokens: int, ceilings: Ceilings) -> Floors:
        model, text = vlm.model, vlm.model.config.text_config
        side = shapes.image_side(image_tokens) // shapes.PATCH
        token, head, width = floor.decoder(model, 1, 0), floor.head(model, 1), model.dtype.itemsize
        head_size = text.hidden_size // text.num_attention_heads
        return cls(
            ceilings,
            image_tokens,
            token=token,
            pair=floor.decoder(model, 0, 1),
            head=head,
            image=floor.tower(model, side, side),
            weight_bytes=int((token + head) / 2 * width),
            token_bytes=2 * text.num_hidden_layers * text.num_key_value_heads * head_size * width,
        )

    def tower_s(self) -> float:
        """An image in the vision tower."""
        return self.image / self.ceilings.flops

    def update_s(self, prompt: int, group: int, answer: int, kl: bool) -> float:
        """An update of adapters by a group of completions, without the vision tower.

        Frozen weights have no gradient, so a linear layer has the gradient by its inputs alone; attention has those by
        queries, keys and values. A penalty needs the reference's pass.
        """
        end = prompt + answer
        seen = floor.pairs(0, prompt) + group * floor.pairs(prompt, end)
        linear = self.token * (prompt + group * answer) + self.head * group * answer
        return ((2 + kl) * linear + (floor.TRAINED + kl) * self.pair * seen) / self.ceilings.flops

    def rollout_s(self, images: int, prompts: int, answers: int, length: int) -> float:
        """A rollout of `answers` completions on `images`, whose prompts have `prompts` distinct tokens an image.

        Images and prompts are computed once. Each step reads the weights, and all keys and values, once.
        """
        shared = images * (self.image_tokens + prompts)
        spent = self.token * shared / self.ceilings.flops
        for done in range(length):
            moved = self.weight_bytes + self.token_bytes * (shared + answers * done)
            computed = (self.token + self.head) * answers
            spent += max(moved / self.ceilings.bytes_s, computed / self.ceilings.flops)
        return spent

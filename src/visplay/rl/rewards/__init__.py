"""What a question and an answer are worth: pure functions on plain values; no model."""

from visplay.rl.rewards.accuracy import accuracy, reasoner_reward, soft_reward
from visplay.rl.rewards.control import random_reward
from visplay.rl.rewards.difficulty import above_chance, difficulty, in_band
from visplay.rl.rewards.diversity import bleu_matrix, clusters, diversity
from visplay.rl.rewards.overlong import overlong_penalty
from visplay.rl.rewards.question import chance_corrected_reward, official_questioner_reward, questioner_reward
from visplay.rl.rewards.validity import format_score

__all__ = [
    "above_chance",
    "accuracy",
    "bleu_matrix",
    "chance_corrected_reward",
    "clusters",
    "difficulty",
    "diversity",
    "format_score",
    "in_band",
    "official_questioner_reward",
    "overlong_penalty",
    "questioner_reward",
    "random_reward",
    "reasoner_reward",
    "soft_reward",
]

"""What a question and an answer are worth: pure functions on plain values; no model."""

from visplay.rewards.accuracy import accuracy, reasoner_reward, soft_reward
from visplay.rewards.control import random_reward
from visplay.rewards.difficulty import above_chance, difficulty, in_band
from visplay.rewards.diversity import bleu_matrix, clusters, diversity
from visplay.rewards.question import honest_questioner_reward, official_questioner_reward, questioner_reward
from visplay.rewards.validity import format_score

__all__ = [
    "above_chance",
    "accuracy",
    "bleu_matrix",
    "clusters",
    "difficulty",
    "diversity",
    "format_score",
    "honest_questioner_reward",
    "in_band",
    "official_questioner_reward",
    "questioner_reward",
    "random_reward",
    "reasoner_reward",
    "soft_reward",
]

"""How fast visplay is, question by question, against what a user would otherwise run.

    python -m benchmarks.update      one GRPO update, against TRL's GRPOTrainer
    python -m benchmarks.rollout     the Questioner's reward, against transformers' generate
    python -m benchmarks.loop        one whole iteration, against the same loop written on TRL
    python -m benchmarks.diversity   clusters of a batch of questions, against NLTK and scikit-learn
    python -m benchmarks.gpu         update, rollout and memory on a GPU; its README.md has the parts

Run them from the repository's root, with the `dev` extra installed. Each times both sides in turn in
one process, checks that both did the same work, and says how far ours is from the floor. `--json`
makes the last line of the output a JSON object; `--help` names the sizes.
"""

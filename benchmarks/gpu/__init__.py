"""Agreement, speed and memory on a GPU, measured by one command that needs no network.

    python -m benchmarks.gpu [--budget SECONDS] [--only PART,PART] [--size tiny|3b|7b] [--out DIR]

README.md says what each part finds. Models have the shapes of Qwen2.5-VL and random weights.
"""

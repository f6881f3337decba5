"""Pretraining of the lab's tiny VLM: `python -m scripts.pretrain --out DIR`."""

"""Unlabeled images: sources, sampling, augmentations."""

"""Tools around a run: ask, doctor, export, model card, plan, ablation."""

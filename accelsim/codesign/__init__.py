"""Algorithms that know the hardware: cost tables, predictors, pruning, carbon."""

"""Evaluation: metrics, comparisons of methods, pictures."""

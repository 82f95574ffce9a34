"""Evaluation: metrics, comparisons of methods, tables and plots."""

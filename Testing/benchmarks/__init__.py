"""Benchmarks: what is fast or small is measured beside what it is compared with, in one run; see `run`."""

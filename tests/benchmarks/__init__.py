"""Benchmarks: each prints ratios against what people run instead, both measured in one run."""

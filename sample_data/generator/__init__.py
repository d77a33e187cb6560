"""Deterministic generators of small sample data: a Korean-English parallel corpus, Korean reviews, Korean tales."""

"""A deterministic generator of a small Korean-English parallel corpus."""

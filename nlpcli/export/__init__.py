"""Models in the formats of other tools, each checked against PyTorch before it is used."""

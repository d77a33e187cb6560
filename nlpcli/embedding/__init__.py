"""Word vectors: train on text with gensim, query, evaluate, export, draw, and map on to a model's vocabulary."""

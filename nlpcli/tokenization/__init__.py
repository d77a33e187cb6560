"""Text to ids and back: SentencePiece vocabularies, memory-mapped encoded data, batches by token budget."""

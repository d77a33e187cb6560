"""Text on disk: names to files, strict readers, and the corpus artifact every later step starts from."""

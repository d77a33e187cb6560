"""From a model to text: search over the protocol, and files of lines in and out."""

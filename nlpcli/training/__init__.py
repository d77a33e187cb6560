"""The training loop, its optimiser and schedule, checkpoints, and the command that ties them together."""

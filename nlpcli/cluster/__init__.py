"""The same work on many machines, by Ray: results in order, and nothing lost or doubled when a worker goes away."""

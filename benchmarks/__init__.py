"""Speed against peers, each pair in one process tree on the same inputs, with the ratio and its spread."""

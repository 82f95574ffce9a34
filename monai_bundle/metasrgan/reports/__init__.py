"""What is told of a result: the sidecar beside it and the pictures."""

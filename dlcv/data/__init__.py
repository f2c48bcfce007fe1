"""Images with labels: rendered scenes whose truth is exact."""

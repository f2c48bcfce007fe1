"""Builds the course's notebooks from their sources and grades what learners hand in."""

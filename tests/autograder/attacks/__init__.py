"""Hostile submissions with wrong answers: none earns a point, gets out of its walls or hurts another."""

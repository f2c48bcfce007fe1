"""The engine under all exercises: what one is, how an answer is watched, compared and explained."""

from dlcv.checking.answer import Answer, Reply, Request
from dlcv.checking.exercise import (
    PUBLISHED_SEED,
    Case,
    Draw,
    Exercise,
    Exercises,
    ModuleCase,
    Slip,
    load_exercises,
)
from dlcv.checking.forbidden import (
    ARGMAX,
    CONVOLUTION,
    FFT,
    INTERPOLATION,
    MATMUL,
    POOLING,
    ROI,
    SOFTMAX,
    UNFOLD,
    Forbidden,
)
from dlcv.checking.judge import Judge, LearnerGone
from dlcv.checking.modules import made
from dlcv.checking.values import BadMessage
from dlcv.checking.verdict import EngineError, Verdict

__all__ = [
    "ARGMAX",
    "CONVOLUTION",
    "FFT",
    "INTERPOLATION",
    "MATMUL",
    "POOLING",
    "PUBLISHED_SEED",
    "ROI",
    "SOFTMAX",
    "UNFOLD",
    "Answer",
    "BadMessage",
    "Case",
    "Draw",
    "EngineError",
    "Exercise",
    "Exercises",
    "Forbidden",
    "Judge",
    "LearnerGone",
    "ModuleCase",
    "Reply",
    "Request",
    "Slip",
    "Verdict",
    "load_exercises",
    "made",
]

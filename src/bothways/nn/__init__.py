"""Layers: tensors in, tensors out. They know no text, no files and no settings."""

from bothways.nn.pieces import Piece, in_pieces
from bothways.nn.pooling import Pooling, PoolingKind, is_real
from bothways.nn.reader import Bidirectional, Direction, Merge, Reading, Recurrent, Stacked, State
from bothways.nn.recurrent import GRU, LSTM, RNN, ExactRecurrent, Nonlinearity, Stack, from_torch

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "Direction",
    "ExactRecurrent",
    "Merge",
    "Nonlinearity",
    "Piece",
    "Pooling",
    "PoolingKind",
    "Reading",
    "Recurrent",
    "Stack",
    "Stacked",
    "State",
    "from_torch",
    "in_pieces",
    "is_real",
]

"""Layers: tensors in, tensors out. They know no text, no files and no settings."""

from bothways.nn.cells import Stack
from bothways.nn.parallel import SRU, MinGRU, MinLSTM, ParallelRecurrent
from bothways.nn.pieces import Piece, in_pieces
from bothways.nn.pooling import Pooling, PoolingKind, is_real
from bothways.nn.reader import Bidirectional, Direction, Merge, Reading, Recurrent, Stacked, State
from bothways.nn.recurrent import GRU, LSTM, RNN, ExactRecurrent, Nonlinearity, from_torch
from bothways.nn.scan import plain_scan, scan

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SRU",
    "Bidirectional",
    "Direction",
    "ExactRecurrent",
    "Merge",
    "MinGRU",
    "MinLSTM",
    "Nonlinearity",
    "ParallelRecurrent",
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
    "plain_scan",
    "scan",
]

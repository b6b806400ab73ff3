"""Matrices through the engine: row by row, or as one vector each, for optimizers beyond a rule."""

"""The CPU engine: a pass as machine code, by Numba and LLVM; `engine.py` is what it offers."""

__all__: list[str] = []

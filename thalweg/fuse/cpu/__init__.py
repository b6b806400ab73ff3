"""The CPU engine: a pass as machine code, by LLVM; `engine.py` is what it offers."""

__all__: list[str] = []

"""The GPU engine: a pass as one kernel over all tensors, by Triton; `engine.py` is what it offers.

Its text needs triton (`pip install 'thalweg[gpu]'`), which is imported when a kernel is first made.
"""

__all__: list[str] = []

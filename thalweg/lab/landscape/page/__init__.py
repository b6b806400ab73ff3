"""landscape.html: one page with everything in it, alive without anything else."""

from thalweg.lab.landscape.page.writing import page_text

__all__ = ["page_text"]

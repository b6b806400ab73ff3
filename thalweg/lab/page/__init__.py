"""`report.html`: a comparison on one page that needs nothing else."""

from thalweg.lab.page.page import write_page

__all__ = ["write_page"]

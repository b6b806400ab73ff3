"""`python -m thalweg` is `thalweg`."""

from thalweg.lab import main

main()

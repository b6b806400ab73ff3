"""`python -m thalweg.lab` is `thalweg`."""

from thalweg.lab import main

main()

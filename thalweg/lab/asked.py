"""What several commands ask for in the same words."""

from typing import Annotated

import typer

__all__ = ["BACKEND", "BATCH_SIZE", "DATA", "FILE", "MODEL"]

DATA = Annotated[
    str | None,
    typer.Option(
        metavar="WHAT",
        help="What mlp and cnn learn: digits (the default), two-moons, csv:PATH, npz:PATH or "
        "mnist:PATH.",
    ),
]
MODEL = Annotated[
    str,
    typer.Option(
        metavar="WHAT", help="What is trained: mlp, cnn, or FILE.py:function for your own task."
    ),
]
BACKEND = Annotated[
    str, typer.Option(metavar="NAME", help="What mlp and cnn are written in: mytorch or torch.")
]
BATCH_SIZE = Annotated[
    int, typer.Option(min=1, metavar="N", help="Items in a batch, of mlp and cnn.")
]
FILE = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write it to a file too: .png, .svg, .pdf, .json or .txt."),
]

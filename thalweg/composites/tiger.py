"""Tiger: Lion with one beta, for a budget of one state."""

from thalweg.chain import chain, named
from thalweg.rules import Signum
from thalweg.stages import DecoupledDecay

Tiger = chain(
    "Tiger",
    DecoupledDecay,
    named(Signum, momentum="beta"),
    signature="lr, beta, weight_decay",
    beta=0.965,
    weight_decay=1e-2,
    decoupled_weight_decay=True,
    doc="""Tiger: Lion with one beta, for a budget of one state.

    The sign of a long mean of gradients, with decoupled decay. Made for gradient accumulation
    with no array for the sum, on language models; lr about a third of AdamW's.

        p <- p - lr weight_decay p
        m <- beta m + (1 - beta) g
        p <- p - lr sign(m)

    Paper: Su 2023, "Tiger: A Tight-fisted Optimizer", a post, kexue.fm/archives/9512.
    Differs: not in torch. lr is the same for every tensor, as in the ports; the author scales it by
    the root mean square of weights.
    """,
)

"""SAM: SGD on the gradient where the loss is worst nearby."""

from thalweg import stages
from thalweg.chain import chain
from thalweg.rules import SGD
from thalweg.stages import Decay

SAM = chain(
    "SAM",
    stages.SAM,
    Decay,
    SGD,
    signature="lr, momentum, weight_decay, nesterov, *, rho, adaptive",
    doc="""SAM: SGD on the gradient where the loss is worst nearby.

    Each step asks for a second gradient, at the weights that are worst within rho, to first
    order: `opt.step(closure)`, or `opt.first_step()`, a backward pass, `opt.second_step()`. It
    ends in flatter minima, which generalize better. Around another rule it is one line,
    `chain("SAMAdam", SAM, Adam)`.

        e  = rho g / |g|                       |g| over all tensors;
        e  = rho p^2 g / ||p| g|               with adaptive
        g <- gradient at p + e, plus weight_decay p
        b <- momentum b + g
        p <- p - lr b                          lr (g + momentum b) with nesterov

    Paper: Foret et al. 2021, arXiv:2010.01412, Algorithm 1; adaptive: Kwon et al. 2021,
    arXiv:2102.11600.
    Differs: not in torch; 1e-12 is added to the norm.
    """,
)

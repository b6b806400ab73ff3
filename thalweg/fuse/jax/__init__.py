"""The JAX engine: a chain's step as a pure function of arrays, to be called under the user's `jit`.

    from thalweg.fuse import jax as steps

    states = steps.init(chain, params)
    take = steps.step(chain)
    params, states = take(params, grads, states, {"lr": 1e-3})
    steps.evaluate(chain, params, states)

It needs jax (`pip install 'thalweg[jax]'`), and nothing else of thalweg imports it.
"""

from thalweg.fuse.jax.steps import evaluate, init, step

__all__ = ["evaluate", "init", "step"]

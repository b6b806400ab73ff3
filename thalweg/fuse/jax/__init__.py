"""The JAX engine: a chain's step as a pure function of arrays, to be called under the user's `jit`.

    from thalweg.fuse import jax as steps

    states = steps.init(chain, params)
    take = steps.step(chain)
    params, states = take(params, grads, states, {"lr": 1e-3})
    steps.evaluate(chain, params, states)

It needs jax (`pip install 'thalweg[jax]'`), and nothing else of thalweg imports it.
"""

try:
    import jax as _jax  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "jax":
        raise
    sentence = "thalweg.fuse.jax needs jax: pip install 'thalweg[jax]'"
    raise ModuleNotFoundError(sentence, name="jax") from None

from thalweg.fuse.jax.steps import evaluate, init, step

__all__ = ["evaluate", "init", "step"]

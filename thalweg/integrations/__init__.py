"""What a framework needs beyond nothing: most take an optimizer of `thalweg.optim` as it is.

    lightning.py     a callback that evaluates and saves on the weights to look at
    transformers.py  the same for the Trainer, which evaluates on them by itself
    skorch.py        the same for skorch's nets
    fastai.py        the same for fastai's learner
    timm.py          every optimizer by name in timm's factory

Each imports its framework, and nothing else imports them.
"""

__all__: list[str] = []

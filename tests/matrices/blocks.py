"""Matrices in blocks, and the same blocks as parameters of their own, at both borders."""

import numpy as np
import torch

import thalweg.optim as optim
from tests.matrices.settings import TRIED
from thalweg import mytorch
from thalweg.view import blocks_of

# with what the rules on matrices are tried
NAMES = ["APOLLO", "AdaMuon", "Dion", "GaLore", "MuSGD", "Muon", "NorMuon", "PSGDKron", "SOAP"]
NAMES += ["Scion", "Shampoo"]
RULES = {name: TRIED[name] for name in NAMES}
RULES["PSGDKron"] = {**TRIED["PSGDKron"], "max_size": 4}  # less than a side of a block
RULES["Shampoo"] = {**TRIED["Shampoo"], "lr": 0.03}


def numbers(shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


def cut(arrays, block_size, merge_dims):
    """The blocks of several arrays, as arrays of their own."""
    found = []
    for array in arrays:
        blocks = blocks_of(array.shape, block_size, merge_dims)
        if blocks is None:
            found.append(array)
        else:
            seen = array.reshape(blocks.sides)
            both = zip(blocks.places, blocks.shapes, strict=True)
            found += [np.array(seen[place]).reshape(shape) for place, shape in both]
    return found


class Run:
    """An optimizer of one border, by its name or as a chain, on parameters that start as `arrays`
    and have gradients that are handed in."""

    def __init__(self, border, name, arrays, **settings):
        self.of_torch = border == "torch"
        make = torch.tensor if self.of_torch else np.array
        kind = torch.nn.Parameter if self.of_torch else mytorch.nn.Parameter
        self.params = [kind(make(array)) for array in arrays]
        library = optim if self.of_torch else mytorch.optim
        cls = getattr(library, name) if isinstance(name, str) else library.optimizer(name)
        settings = {**RULES.get(name, {}), **settings} if isinstance(name, str) else settings
        self.opt = cls(self.params, **settings)

    def give(self, gradients):
        for p, g in zip(self.params, gradients, strict=True):
            p.grad = torch.tensor(g, dtype=p.dtype) if self.of_torch else np.array(g)

    def step(self, gradients):
        self.give(gradients)
        self.opt.step()

    def walk(self, steps, start=0):
        for t in range(start, start + steps):
            shapes = [tuple(p.shape) for p in self.params]
            self.step([numbers(shape, 1000 * t + 10 * i) for i, shape in enumerate(shapes)])

    @property
    def values(self):
        if self.of_torch:
            return [p.detach().double().numpy().copy() for p in self.params]
        return [p.data.copy() for p in self.params]

    def kept(self, i=0):
        """The shapes of what is kept of a parameter."""
        return {key: tuple(np.shape(one)) for key, one in self.opt.state[self.params[i]].items()}

"""Every gradient optimizer written once, compiled into one fused pass over memory.

`import thalweg.optim as optim` stands in for `import torch.optim as optim`. This module itself
imports nothing, so that `import thalweg` costs nothing.
"""

__version__ = "0.1.0"

"""What every border does, whatever its arrays are. A border is where a framework is met.

    classes.py    the class made of a rule or a chain: bases, signature, docstring
    constructor.py  its `__init__`: names, aliases, errors by name
    help.py       what `help` says of its arguments
    optimizer.py  the settings of groups: averages, checks, renames, the first states
    groups.py     decay filters, and keys that are nobody's
    blocks.py     what of a parameter's matrices is a block, and what blocks keep
    cutting.py    a step of parameters that are cut into blocks, put together behind it
    others.py     one optimizer for a whole model: a matrix rule, and another for the rest
    states.py     what a parameter's state lacks before a step
    layout.py     the tables that a step hands to the engine
    answering.py    what answers the texts of a step: draws, closures, the border
    asking.py     another gradient, for rules that ask for one
    again.py      whether the next step is like the last one, which is then a prepared call
    evaluation.py the weights to look at, whatever keeps them
    copies.py     slow weights and averages, put into the parameters and taken out
    lent.py       the weights of the training in a file written after eval()
    matching.py   loading by name

A new border derives its optimizer from `ChainOptimizer` and its layout of a step from `Layout`:
docs/border.md shows one, and says what it supplies.
"""

__all__: list[str] = []

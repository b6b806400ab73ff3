"""What every border does, whatever its arrays are. A border is where a framework is met.

    classes.py    the class made of a rule or a chain: bases, signature, docstring
    constructor.py  its `__init__`: names, aliases, errors by name
    optimizer.py  the settings of groups: averages, checks, renames, the first states
    groups.py     decay filters, and keys that are nobody's
    states.py     what a parameter's state lacks before a step
    layout.py     the tables that a step hands to the engine
    copies.py     slow weights and averages, put into the parameters and taken out
    matching.py   loading by name

A new border derives its optimizer from `ChainOptimizer` and its layout of a step from `Layout`.
It supplies, beside its framework's own protocols (groups, `step`, `state_dict`):

    arguments     what its constructors take beside a chain's settings, with defaults; their types
    _title        the name in errors
    _check_own    of its own arguments, those that are not acceptable
    _begin_state  a parameter's first state, for rules that have it from the beginning
    _kept, _put, _wide   a copy of a value, a value written, a value to compute with
    _read, _finish   of a layout: the cells as they are, and what is stored when a step has happened

and calls `_settled` in its constructor, `_new_group` and `_filter_for` where a group is added,
`lots` and `at_rest` where a step begins, and `whole.take` to take it.
"""

__all__: list[str] = []

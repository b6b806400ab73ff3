"""Where an optimizer's tensors lie in memory, and what can be done with them there.

In the order of a step:

    seen.py      which parameters have a gradient now, and which rest
    rounds.py    all of them at once, or one after the other where they share memory
    states.py    the states that the step needs and does not find; whose first step it is (`First`)
    layout.py    where all of it lies: made once, and asked at every step whether it still fits
    touched.py   one parameter with all that its step touches
    reach.py     which tensors a kernel may run over as they lie, and how others are brought there
    snapshot.py  whether thousands of tensors are still what they were, asked in C
    odd.py       those that no kernel can reach, for the reference engine
    gapped.py    those with gaps between their elements
    rows.py      those whose gradient is sparse
    sharded.py   those of which every process holds a part: stepped in parts, or made whole
    operands.py  the same for a step that is traced: tensors in lists, and back
"""

__all__: list[str] = []

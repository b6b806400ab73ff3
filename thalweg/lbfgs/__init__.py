"""L-BFGS, in no framework's words: the direction, the search along it, and what is remembered.

A border brings its vectors (`vectors.Vectors`) and the problem (`minimizing.Problem`): the loss of
a closure as a function of one vector, all parameters one behind the other.
"""

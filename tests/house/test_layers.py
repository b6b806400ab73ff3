"""Dependencies point one way: language, rules, engines, borders, lab. And no file is a drawer."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.modules import MODULES, ROOT, imports, syntax, within

# From the ground up: a module imports from its own layer and from those above it in this list.
LAYERS = {
    "language": {
        "thalweg.advice",
        "thalweg.alike",
        "thalweg.calls",
        "thalweg.carried",
        "thalweg.chain",
        "thalweg.choice",
        "thalweg.deciding",
        "thalweg.declaration",
        "thalweg.either",
        "thalweg.elementwise",
        "thalweg.kinds",
        "thalweg.levels",
        "thalweg.living",
        "thalweg.matrices",
        "thalweg.meanings",
        "thalweg.naming",
        "thalweg.number",
        "thalweg.parts",
        "thalweg.reading",
        "thalweg.reductions",
        "thalweg.requests",
        "thalweg.returned",
        "thalweg.rule",
        "thalweg.settings",
        "thalweg.settings_of_groups",
        "thalweg.settling",
        "thalweg.shapes",
        "thalweg.shelf",
        "thalweg.signature",
        "thalweg.source",
        "thalweg.text",
        "thalweg.view",
        "thalweg.whole_file",
    },
    "pictures": {"thalweg.pictures"},
    "declarations": {"thalweg.rules", "thalweg.stages", "thalweg.schedules"},
    "registry": {"thalweg.averaging", "thalweg.composites", "thalweg.optimizers"},
    "engines": {"thalweg.fuse"},
    "border": {"thalweg.border", "thalweg.lbfgs"},
    "borders": {"thalweg.mytorch", "thalweg.optim"},
    "integrations": {"thalweg.integrations"},
    "lab": {"thalweg.__main__", "thalweg.lab"},
}
ENGINES = {"thalweg.fuse.cpu", "thalweg.fuse.gpu", "thalweg.fuse.jax", "thalweg.fuse.js"}
CHOOSER = "thalweg.fuse.engines"
BORDERS = ("thalweg.mytorch", "thalweg.optim")
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
# where an identity is no key of a table of ours
IDENTITIES = {
    "thalweg.optim.memory.seen": "a parameter is a piece of memory beside its own",
    "thalweg.optim.memory.snapshot": "C is told where an object is",
    "thalweg.fuse.cpu.looking": "C is told where an object is",
    "thalweg.fuse.cpu.arrays": "C is told where an object is",
    "thalweg.optim.own_states": "tensors that a file and its copy share, while both are held",
    "thalweg.optim.joining": "whether a list has a tensor twice, while it is held",
    "thalweg.optim.model_copies": "copy.deepcopy takes what is copied already by identity",
}
# methods that call torch's own, which has no place for a hook
AROUND = {
    "thalweg.optim.base.BaseOptimizer.add_param_group": "torch's own unpacks the parameters",
}


def layer_of(module: str) -> int | None:
    found = [i for i, members in enumerate(LAYERS.values()) if within(module, members)]
    return found[0] if found else None


def ours(names) -> set[str]:
    """The modules of ours among names of modules and of what is in them."""
    found = set()
    for name in names:
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        found.add(name)
    return found - {"", "thalweg"}  # thalweg itself is everybody's


GRAPH = {module: ours(imports(path)) - {module} for module, path in MODULES.items()}
RUNNING = {module: ours(imports(path, types=False)) - {module} for module, path in MODULES.items()}


def arrows(refused) -> list[str]:
    """Every import that is refused, as a sentence."""
    return [
        f"{module} imports {name}"
        for module, names in GRAPH.items()
        for name in sorted(names)
        if refused(module, name)
    ]


def test_every_module_has_one_layer():
    assert [m for m in MODULES if m != "thalweg" and layer_of(m) is None] == []
    members = [name for names in LAYERS.values() for name in names]
    assert sorted(members) == sorted(set(members) & set(MODULES))


def test_no_module_imports_from_a_layer_above_its_own():
    layers = {module: layer_of(module) or 0 for module in MODULES}
    assert arrows(lambda module, name: layers[name] > layers[module]) == []


def test_the_borders_do_not_know_each_other():
    assert (
        arrows(
            lambda m, name: (
                any(within(m, {b}) != within(name, {b}) for b in BORDERS)
                and within(m, BORDERS)
                and within(name, BORDERS)
            )
        )
        == []
    )


def test_only_the_chooser_names_an_engine():
    def is_foreign(module: str, name: str) -> bool:
        return any(within(name, {one}) and not within(module, {one}) for one in ENGINES)

    assert arrows(lambda m, name: m != CHOOSER and is_foreign(m, name)) == []


def loops(graph: dict[str, set[str]]) -> list[list[str]]:
    """Every set of modules that import each other in a circle: each reaches all of them."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen, left = set(), [start]
        while left:
            new = graph[left.pop()] - seen
            seen |= new
            left += new
        reached[start] = seen
    circles = {
        tuple(sorted(other for other in reached[one] if one in reached[other]))
        for one in graph
        if one in reached[one]
    }
    return sorted(map(list, circles))


def test_no_modules_import_each_other_in_a_circle():
    """Not in functions either; a module that is there for annotations alone is never run."""
    assert loops(RUNNING) == []


def test_a_circle_would_be_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"f"}, "f": {"e"}, "g": set()}
    assert loops(graph) == [["a", "b", "c"], ["e", "f"]]


def sources() -> list[Path]:
    folders = ("thalweg", "tests", "scripts", "benchmarks", "examples")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_no_file_is_longer_than_400_lines():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    long = {path.relative_to(ROOT): n for path, n in lengths.items() if n > LONGEST_FILE}
    assert [f"{path}: {n} lines" for path, n in long.items()] == []


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function by its full name, those inside of others too."""
    left = [(module, syntax(path)) for module, path in MODULES.items()]
    while left:
        name, tree = left.pop()
        for node in ast.iter_child_nodes(tree):
            own = f"{name}.{node.name}" if hasattr(node, "name") else name
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield own, node
            left.append((own, node))


def length(function: ast.FunctionDef) -> int:
    """Lines of code: without the docstring."""
    doc = ast.get_docstring(function, clean=False)
    return function.end_lineno - function.lineno + 1 - (len(doc.splitlines()) if doc else 0)


def test_a_function_fits_a_screen():
    long = {name: length(function) for name, function in functions()}
    assert [f"{name}: {n} lines" for name, n in long.items() if n > LONGEST_FUNCTION] == []


def is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) == "super"


def has_code_on_both_sides(function: ast.FunctionDef) -> bool:
    """Whether statements stand before and after those that call the method overridden."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    calls = [i for i, one in enumerate(body) if any(map(is_super, ast.walk(one)))]
    return bool(calls) and calls[0] > 0 and calls[-1] < len(body) - 1


def test_what_is_overridden_is_a_hook():
    """Not a method that the new one does half before and half after."""
    found = {name for name, function in functions() if has_code_on_both_sides(function)}
    assert sorted(found) == sorted(AROUND)


def test_no_identity_stands_in_for_a_key():
    """`id(x)` is another object's once x is gone."""
    offences = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for module, path in MODULES.items()
        if module not in IDENTITIES
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Name) and node.id == "id" and isinstance(node.ctx, ast.Load)
    ]
    assert offences == []

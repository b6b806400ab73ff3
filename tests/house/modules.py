"""Every module of the package, and what each of them imports."""

import ast
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "thalweg"


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, package: Path = PACKAGE, types: bool = True) -> dict[str, int]:
    """Every module that a file imports by name, anywhere in it, with the line that does; without
    `types`, not those imported for annotations alone, which no run imports."""
    parents = ("thalweg", *path.relative_to(package).parent.parts)
    found = {}
    for node in nodes(syntax(path), types):
        for name in named_by(node, parents):
            found[name] = node.lineno
    return found


def nodes(tree: ast.AST, types: bool) -> Iterator[ast.AST]:
    """Every node of a file; without `types`, none below `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if types or not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from nodes(node, types)


def named_by(node: ast.AST, parents: tuple[str, ...]) -> list[str]:
    """The modules that one import names; `parents` are the packages that its file is in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = parents[: len(parents) - node.level + 1] if node.level else ()
        source = ".".join([*above, *filter(None, [node.module])])
        # `from thalweg import rule` names a module too, and `from . import x` a sibling.
        return [f"{source}.{alias.name}" for alias in node.names]
    return [node.args[0].value] if is_import_call(node) else []


def is_import_call(node: ast.AST) -> bool:
    """`import_module("x")` or `__import__("x")`, under whatever the first is reached by."""
    if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
        return False
    called = getattr(node.func, "attr", getattr(node.func, "id", None))
    return called in {"import_module", "__import__"}


def within(name: str, modules: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)

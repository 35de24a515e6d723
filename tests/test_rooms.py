"""Check the structure of the package: every import against the table of rooms in ``docs/design.md``."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mxnet_audio"
ROW = re.compile(r"^\| `(?P<room>\w+)/?`(?P<without_mxnet> \*)? \|", re.MULTILINE)
ROOMS = {row["room"]: bool(row["without_mxnet"]) for row in ROW.finditer((ROOT / "docs" / "design.md").read_text())}
ORDER = list(ROOMS)
NOUN_CLAUSE = re.compile(r"(What|Who|Whose|How|Whether|Where|Which|Of)\b")


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache  # when a test asks for them, since it takes a second
def trees() -> dict[str, ast.Module]:
    """Parse all files of the package."""
    return {name: ast.parse(path.read_text()) for name, path in FILES.items()}


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements of a file, at its top or inside others: far fewer nodes than `ast.walk` visits."""
    for part in ("body", "handlers", "orelse", "finalbody", "cases"):
        for statement in getattr(node, part, ()):
            yield statement
            yield from statements(statement)


def imported(tree: ast.AST) -> set[str]:
    """List the package's modules that a file imports, at its top or inside a function."""
    found = set()
    for node in statements(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in FILES}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module in FILES:
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {module if module in FILES else node.module for module in modules}
    return found


@cache
def imports() -> dict[str, set[str]]:
    """List the package's modules that each file imports."""
    return {name: imported(tree) - {name, "mxnet_audio"} for name, tree in trees().items()}


def room_of(module: str) -> str:
    """Return the room of a module."""
    return (module.split(".") + ["__init__"])[1]


def test_the_table_has_a_row_for_every_room():
    assert {room_of(module) for module in FILES} <= set(ROOMS)


def test_no_import_runs_back_up():
    upward = [
        f"{module} imports {target}"
        for module, targets in imports().items()
        for target in targets
        if ORDER.index(room_of(target)) > ORDER.index(room_of(module))
    ]
    assert not upward


def test_no_circle():
    done, stack = set(), []

    def visit(module):
        assert module not in stack, " -> ".join([*stack[stack.index(module) :], module])
        if module not in done:
            stack.append(module)
            for target in imports()[module]:
                visit(target)
            done.add(stack.pop())

    for module in FILES:
        visit(module)


@cache
def importers() -> dict[str, set[str]]:
    """List the modules that import each package, at their top or inside a function."""
    found = defaultdict(set)
    for module, tree in trees().items():
        for node in statements(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            for name in names:
                found[name.split(".")[0]].add(module)
    return found


def test_only_the_engine_imports_mxnet():
    assert importers()["mxnet"] == {"mxnet_audio.engine"}


@pytest.mark.parametrize("package", ["torch", "torchaudio", "tensorflow", "transformers", "speechbrain"])
def test_weights_of_other_toolkits_are_read_without_them(package):
    assert package not in importers()


def test_rooms_without_mxnet_do_not_import_it():
    modules = [module for module in FILES if ROOMS[room_of(module)] and module != "mxnet_audio.audio.decode_av"]
    code = (
        f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\nsys.exit('mxnet' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def docstrings():
    """Yield the place and the first line of every docstring."""
    for module, tree in trees().items():
        for node in (tree, *statements(tree)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                yield f"{module}.{getattr(node, 'name', '')}", text.splitlines()[0]


def test_docstrings_do_not_begin_with_a_noun_clause():
    lines = list(docstrings())
    clauses = [f"{place}: {line}" for place, line in lines if NOUN_CLAUSE.match(line)]
    assert 100 * len(clauses) < len(lines), "\n".join(clauses)


def test_every_public_name_has_a_docstring():
    missing = [
        f"{module}.{node.name}"
        for module, tree in trees().items()
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not missing

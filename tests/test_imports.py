"""Imports point one way; the light wing never loads the heavy one."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bothways

SOURCE = Path(bothways.__file__).parent
HEAVY_PACKAGES = {"torch", "lightning_fabric", "sklearn", "matplotlib", "onnx", "scipy"}
BASE = ["errors", "declaring", "settings", "data", "decoding", "bundle"]
LIGHT = [*BASE, "runtime", "serve", "cli"]
HEAVY = [*BASE, "nn", "models", "training", "estimators", "lab", "scale"]


def imports(path: Path, *, everywhere: bool) -> set[str]:
    """What a file imports: at module level (outside `if TYPE_CHECKING`), or anywhere."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if everywhere else iter(tree.body)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def files() -> list[Path]:
    return [path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py"]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    own = part_of(path)
    modules = [name.split(".")[1] for name in imports(path, everywhere=False) if name.startswith("bothways.")]
    for order in (order for order in (LIGHT, HEAVY) if own in order):
        upward = [name for name in modules if name in order and order.index(name) > order.index(own)]
        assert not upward, f"{own} imports {upward}, which stands above it"
    if own not in LIGHT:
        return
    assert not set(modules) - set(LIGHT), "the light wing imports the heavy one"
    packages = {name.split(".")[0] for name in imports(path, everywhere=False)}
    assert not packages & HEAVY_PACKAGES


def test_nn_knows_nothing_of_text_files_or_settings():
    for path in (SOURCE / "nn").rglob("*.py"):
        known = {name for name in imports(path, everywhere=True) if name.startswith("bothways.")}
        assert {name.split(".")[1] for name in known} <= {"nn", "errors"}, path


def test_the_import_walk_sees_an_upward_import(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from bothways.cli import main\n")
    assert imports(wrong, everywhere=False) == {"bothways.cli"}


@pytest.mark.parametrize(
    "statement", ["import bothways", "import bothways; bothways.load", "import bothways.cli.commands"]
)
def test_no_heavy_package_is_loaded_for(statement):
    code = f"import sys; {statement}; print([name for name in {sorted(HEAVY_PACKAGES)!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

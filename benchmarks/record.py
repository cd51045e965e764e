"""Where figures are written down: one part of results.md for each command, with machine, versions and date."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WAITING = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"  # how long threads spin
RESULTS = Path(__file__).with_name("results.md")


def data_folder(name: str) -> Path:
    """The folder of a data set below BOTHWAYS_DATA."""
    root = os.environ.get("BOTHWAYS_DATA")
    if not root:
        sys.exit("Set BOTHWAYS_DATA to the folder that holds the data sets.")
    folder = Path(root) / name
    if not folder.is_dir():
        sys.exit(f"{folder} does not exist. It should hold the data set {name!r}.")
    return folder


def bothways(*arguments: object) -> tuple[str, float]:
    """Run the command line as a user does; give standard output and wall time in seconds."""
    command = [sys.executable, "-c", "from bothways.cli import main; main()", *map(str, arguments)]
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout, time.monotonic() - began


def options(settings: dict[str, Any]) -> list[str]:
    """Settings as options of the command line."""
    given = []
    for name, value in settings.items():
        flag = name.replace("_", "-")
        given += [f"--{flag}" if value else f"--no-{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return given


def machine() -> str:
    """One line on the machine and the versions that were measured with."""
    import torch

    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    known = [name for name in ("torch", "onnxruntime", "numpy", "numba", "keras") if find_spec(name) is not None]
    packages = ", ".join(f"{name} {version(name)}" for name in known)
    if "KERAS_BACKEND" in os.environ:
        packages += f", Keras on {os.environ['KERAS_BACKEND']}"
    from bothways.training.device import computes_bfloat16

    kind = torch.backends.cpu.get_cpu_capability() + (" with bfloat16" if computes_bfloat16("cpu") else "")
    waiting = ", ".join(f"{name} {os.environ[name]}" for name in WAITING if name in os.environ) or "waiting by default"
    threads = f"threads {torch.get_num_threads()}, {waiting}"
    cores = f"{os.cpu_count()} cores ({model}, {kind}), {threads}"
    return f"{cores}, Python {platform.python_version()}, {packages}"


def record(command: str, title: str, header: Sequence[str], rows: Sequence[Sequence[object]], notes: str = "") -> None:
    """Print a table and put it in the place of the same command's last one in results.md."""
    lines = [f"## {title}", "", f"`{command}`, {date.today().isoformat()}, {machine()}", ""]
    lines += ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    if notes:
        lines += ["", notes]
    part = "\n".join(lines)
    print(part)
    start, end = f"<!-- {command} -->", f"<!-- end of {command} -->"
    text = (
        RESULTS.read_text(encoding="utf-8")
        if RESULTS.exists()
        else "# Results\n\nWritten by the commands named here.\n"
    )
    block = f"{start}\n{part}\n{end}\n"
    if start in text:
        before, rest = text.split(start, 1)
        text = before + block + rest.split(end, 1)[1].removeprefix("\n")
    else:
        text = f"{text.rstrip()}\n\n{block}"
    RESULTS.write_text(text, encoding="utf-8")

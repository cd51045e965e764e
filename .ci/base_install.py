"""Run with the base install alone: a model folder predicts and is scored, without torch, in a small install.

Usage: base_install.py MODEL TABLE ENVIRONMENT
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import bothways

model, table, environment = map(Path, sys.argv[1:])
for heavy in ("torch", "sklearn", "lightning_fabric", "matplotlib", "pyarrow"):
    if importlib.util.find_spec(heavy) is not None:
        sys.exit(f"{heavy} is installed: this is not the base install")
texts = ["This movie was fantastic! I really enjoyed it.", ""]
probabilities = bothways.load(model).predict_proba(texts)
if probabilities.shape != (2, 2) or abs(probabilities.sum(axis=1) - 1).max() > 1e-9:
    sys.exit(f"these are no probabilities of two labels for two texts: {probabilities}")
out = environment / "predictions.csv"
command = [environment / "bin" / "bothways", "predict", model, "--file", table, "--out", out]
subprocess.run(command, check=True)
if len(out.read_text().splitlines()) != len(table.read_text().splitlines()):
    sys.exit("rows out differ from rows in")
subprocess.run([environment / "bin" / "bothways", "evaluate", model, table], check=True, stdout=subprocess.DEVNULL)
own = [
    folder for folder in environment.rglob("site-packages/*") if folder.name.split("-")[0] not in ("pip", "setuptools")
]
files = [file for folder in own for file in ([folder] if folder.is_file() else folder.rglob("*")) if file.is_file()]
megabytes = sum(file.stat().st_size for file in files) / 1e6
print(f"base install: {megabytes:.0f} MB, predicts and scores without torch")
if megabytes > 350:
    sys.exit("the base install has grown beyond 350 MB")

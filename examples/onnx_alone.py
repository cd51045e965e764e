"""Run a model folder with onnxruntime and tokenizers alone, as another program or language would.

Usage: python examples/onnx_alone.py MODEL TEXT
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import tokenizers

folder, text = Path(sys.argv[1]), sys.argv[2]
facts = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
rules = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["rules"]
ids = tokenizers.Tokenizer.from_str(json.dumps(rules)).encode(text, add_special_tokens=False).ids or [0]

session = onnxruntime.InferenceSession(folder / "model.onnx")
logits = session.run(["logits"], {"inputs": np.array([ids]), "lengths": np.array([len(ids)])})[0][0]
scores = np.exp((logits - logits.max()) / facts["temperature"])
for label, share in zip(facts["classes"], scores / scores.sum(), strict=True):
    print(f"{label}\t{share:.3f}")

"""`python -m agent.lm.dequantise FILE.gguf FOLDER`: a GGUF file saved as a transformers folder, float32."""

from __future__ import annotations

import sys
from pathlib import Path

from agent.lm.sampling import load


def main(source: Path, folder: Path) -> None:
    model, tokenizer = load(source)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

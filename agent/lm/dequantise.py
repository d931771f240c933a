"""`python -m agent.lm.dequantise FILE.gguf FOLDER PARENT`: a GGUF file as a float32 folder."""

from __future__ import annotations

import sys
from pathlib import Path

from agent.lm.sampling import load
from agent.tether import die_with_parent


def main(source: Path, folder: Path) -> None:
    model, tokenizer = load(source)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[3]))
    main(Path(sys.argv[1]), Path(sys.argv[2]))

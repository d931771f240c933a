"""`python -m agent.lm.local.dequantise FILE.gguf FOLDER PARENT`: a GGUF file as a float32 folder."""

from __future__ import annotations

import sys
from pathlib import Path

from evoarch.agent.base.pdeathsig import die_with_parent
from evoarch.agent.lm.local.sampling import load


def main(source: Path, folder: Path) -> None:
    """Write the model of the file `source` into `folder`, as float32 with its tokenizer."""
    model, tokenizer = load(source)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[3]))
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Runs ShinkaEvolve inside its own environment: `python shinka_case.py settings.json`."""

import json
import sys
from pathlib import Path

from shinka.core import EvolutionConfig, ShinkaEvolveRunner
from shinka.database import DatabaseConfig
from shinka.launch import LocalJobConfig


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    seconds = settings["timeout"]
    extra = settings.get("extra", {})
    runner = ShinkaEvolveRunner(
        evo_config=EvolutionConfig(
            num_generations=settings["children"] + 1,
            patch_types=["full"],
            patch_type_probs=[1.0],
            llm_models=[f"local/stub@{settings['url']}"],
            llm_dynamic_selection=None,
            embedding_model=None,
            meta_rec_interval=None,
            init_program_path=settings["initial"],
            results_dir=settings["output"],
            **extra,
        ),
        job_config=LocalJobConfig(
            eval_program_path=settings["evaluator"], time=f"00:{seconds // 60:02d}:{seconds % 60:02d}"
        ),
        db_config=DatabaseConfig(num_islands=1),
        verbose=False,
        max_evaluation_jobs=settings["slots"],
        max_proposal_jobs=settings["proposals"],
    )
    runner.run()


if __name__ == "__main__":
    main()

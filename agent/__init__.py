"""The will: the campaign loop, its operators, language models, selection, budget and commands."""

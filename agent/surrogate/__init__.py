"""A model of the error from a model's trace: what is worth training is guessed before it is trained."""

"""The measuring: tasks, training and prediction inside the walls, scoring outside them."""

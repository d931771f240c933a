"""The vetting rules, by what they look at. `evoarch.sandbox.catalogue` lists them all."""

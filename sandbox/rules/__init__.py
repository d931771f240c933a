"""The vetting rules, by what they look at. `sandbox.catalogue` lists them all."""

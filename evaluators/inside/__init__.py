"""What runs behind the wall: torch only. Nothing here is trusted by what stands outside.

Each public function of `main` is called as `function(genome, arrays, options, announce)` and returns
`(tensors, notes)`. These files are all of the project that a child can see.
"""

"""A fuzzer of the package's readers: valid files are damaged in every way, tried in child processes, and judged.

`seeds` makes small valid files whose voxels and place are known; `mutations` damages them; `product` reads and upscales
them in a child process; `independent` reads those that were accepted by the field's own libraries, in another; `judge`
counts what came of it; `campaign` runs many. `make fuzz` runs it all (docs/reliability.md).
"""

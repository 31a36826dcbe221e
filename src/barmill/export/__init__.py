"""Export: a bundle's forecast as ONNX graphs that any engine can run, proved equal to the bundle, and measured.

`pipeline_graph` writes a bundle's whole forecast, from features to guarded columns, into one graph; `trees`, `combiners` and their
neighbours each write one part of it with a `GraphBuilder`. `parity` runs graph and bundle side by side and says how far they differ.
Needs the `export` extra (the `onnx` package); a server needs nothing of this package.
"""

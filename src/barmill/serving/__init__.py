"""Serving: forecasts of loaded bundles for whoever asks, over a plane that knows no protocol.

`Plane` takes arrays and gives `Answer`s or raises a `Refusal`; `http` and `grpc` translate, each in one table. `ModelTable` holds the
versions that are served and swaps them whole; the watcher fills it from a folder of bundles. `telemetry` is told what happens, and the
rest knows nothing of who listens. Imports no torch, no training code and no pickle; needs the `serve` extra.
"""

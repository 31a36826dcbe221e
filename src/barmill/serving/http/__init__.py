"""HTTP over the plane: a thin ASGI application with strict limits, keys and typed bodies, and pages beside it.

`application.Application` is what a server runs; `forecasts` has the routes of /v1, `open_inference` those of /v2, `pages` the documentation
and what an operator may do. `limits`, `keys` and `strict_json` are what a stranger meets first. Needs the `serve` extra.
"""

"""`barmill prove`: the whole pipeline of a recipe on markets without an edge, and on markets with a known one.

`settings` says how much is done and `small_recipe` what of the recipe is made smaller for it; `market_proof` runs the pipeline on one
market, on the rows of `proof_folds`, and measures by `direction`, `witness` and `promotion`; `proof` spreads the markets over processes and
keeps each by its content, so that a killed proof goes on; `certificate` pools them by `intervals` and gives the verdict, a pure
function of what was measured. May be touched: the sizes in `settings`. Not what is demanded: it is what a certificate means.
"""

from barmill.pipeline.proving.certificate import Certificate
from barmill.pipeline.proving.proof import CERTIFICATE_FILE, prove_recipe
from barmill.pipeline.proving.settings import FULL, QUICK, Caps, Demands, ProofSettings

__all__ = ["CERTIFICATE_FILE", "FULL", "QUICK", "Caps", "Certificate", "Demands", "ProofSettings", "prove_recipe"]

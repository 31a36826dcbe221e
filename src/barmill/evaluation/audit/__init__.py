"""The audit of features: recompute a table on fewer bars, and with another future, and name each column that changes.

`auditing` is the whole audit, `tables` the tables that can be audited (a plan, a function, a program), `findings` what it says.
"""

"""The command line: one thin module per command, which parses, calls one function and prints.

Results go to standard output, what is said to people to standard error. Exit codes stand in `exit_codes`. Modules
here import nothing but Typer at their top, so that `barmill --help` answers at once.
"""

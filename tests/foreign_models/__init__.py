"""Models of other people, made small for the tests."""

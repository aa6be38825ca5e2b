"""What all tests share."""

from hypothesis import settings

# The same examples in every run: a failure is the code's, and can be repeated.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")

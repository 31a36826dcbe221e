from hypothesis import settings

# the machine is shared by the test processes: how long an example takes says nothing about it
settings.register_profile("shared_machine", deadline=None)
settings.load_profile("shared_machine")

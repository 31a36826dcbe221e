"""What tests of training stand on: a planted set with a small network, and trainings of it by one process or several."""

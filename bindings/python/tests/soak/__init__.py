"""Programs that do one thing very often and watch what the process holds: ``make soak``; the tests run each for a moment."""

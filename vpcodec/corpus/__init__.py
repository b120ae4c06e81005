"""Many files: plan which become what, code them in one process or several, and say what became of each."""

"""The parts of compare.py: inputs, models, engines (one module per peer), processes, measuring, reporting."""

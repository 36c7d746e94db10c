"""The parts of compare_generation.py."""

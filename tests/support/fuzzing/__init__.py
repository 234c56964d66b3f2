"""Inputs that nobody writes, and what reads them: see ``scripts/fuzz.py``."""

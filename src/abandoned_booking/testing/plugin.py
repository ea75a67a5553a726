"""Loaded by pytest through the entry point of this package."""

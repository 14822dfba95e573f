"""Holes for inpainting: drawn in many shapes, taken from a folder, and fixed sets for evaluation. No torch."""

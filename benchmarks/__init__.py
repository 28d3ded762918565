"""Measurements: what things cost, as ratios taken side by side in one run."""

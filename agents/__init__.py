"""Learned agents: trainers and the policies that they export; run from a checkout."""

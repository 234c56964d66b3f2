"""Owners: who they are, what they ask for, and how they answer offers of pay."""

"""Scans as compiled C: how they are built and kept, and how torch calls them."""

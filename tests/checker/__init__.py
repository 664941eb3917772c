"""Checks the vectors of `docs/protocol/native.md` with that text as the only source.

Shares no code with the Rust core, and contains nothing that the core generated. Reads clearly rather than runs
fast, is not constant-time, and must never be used for anything but checking published test vectors.
"""

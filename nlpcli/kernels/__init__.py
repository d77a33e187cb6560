"""Attention and dropout, each behind one front door; nothing here knows a model."""

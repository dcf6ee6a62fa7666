"""Measure the quality of documents (signals) and judge what was measured (rules)."""

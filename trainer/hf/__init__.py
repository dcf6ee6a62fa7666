"""Models and weights as Hugging Face's ``transformers`` has them; only ``score`` needs that package."""

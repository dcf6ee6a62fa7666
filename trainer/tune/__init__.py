"""Fine-tuning: labelled rows, heads on the model, the loop, the figures."""

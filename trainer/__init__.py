"""Train, evaluate and sample a reference GPT on a curated corpus; readable in an afternoon.

config      every setting and model size, checked by name and type
tokens      one source's documents over all its token parts, as one endless shuffled stream
data        which window of which source comes when: batch(step, rank, world), a pure function
attention   rotary positions, the document mask, grouped-query attention, the cache for generation
model       a Llama-shaped GPT: RMSNorm, SwiGLU, QK-norm
loss        cross-entropy in chunks, so that the logits of a batch never exist at once
optim       AdamW's parameter groups and the learning-rate schedule
checkpoint  save atomically, load without executing anything, refuse what does not fit
metrics     tokens/s, MFU, bits per byte, tables, the JSONL log
train, evaluate, generate   the three commands: ``python -m trainer.train --help``
labelled, heads, tuning, scores, finetune   the fourth: classes, tags and completions learned from labelled lines
"""

import os

# Set before torch starts its threads: those that wait sleep instead of spinning. On two cores busy with other
# work, spinning made a step of ``tiny`` four to five times slower; results are the same either way.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

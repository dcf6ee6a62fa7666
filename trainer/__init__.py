"""Train, evaluate and sample a reference GPT on a curated corpus; readable in an afternoon.

config      every setting and model size, checked by name and type
tokens      one source's documents over all its token parts, as one endless shuffled stream
data        which window of which source comes when: batch(step, rank, world), a pure function
attention   rotary positions, the document mask, grouped-query attention, the cache for generation
model       a GPT shaped like Llama's, or like GPT-2
loss        cross-entropy in chunks, so that the logits of a batch never exist at once
objective   next-token or masked prediction; the model with its loss inside
optim       AdamW, Muon in batches, the learning rate of a step
parallel    ranks, and the order in which a model is cut, compiled and sharded
run         one step: forward, backward, clip, update or skip
prefetch    the thread that reads ahead
checkpoint  save atomically, load without executing anything, refuse what does not fit
metrics     tokens/s, MFU, bits per byte, tables, the JSONL log
masked, spelling   scoring a masked model; the bytes that each token stands for
train, evaluate, generate   the commands: ``python -m trainer.train --help``
export, import_hf, hf/      to and from Hugging Face, and scoring its models
finetune, tune/             classes, tags and completions learned from labelled lines
"""

import os

# Set before torch starts its threads: those that wait sleep instead of spinning. On two cores busy with other
# work, spinning made a step of ``tiny`` four to five times slower; results are the same either way.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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
import sys
import time


def _others_run() -> bool:
    """Say whether something else is computing on this machine right now (Linux; elsewhere no)."""
    seen = []
    try:
        for _ in range(5):
            time.sleep(0.01)
            with open("/proc/loadavg", encoding="ascii") as stream:
                seen.append(int(stream.read().split()[3].split("/")[0]))
    except (OSError, ValueError, IndexError):
        return False
    return sorted(seen)[2] > 1  # this process is one


# Set before torch starts its threads: how long one spins before it sleeps. On two idle cores long spinning, libgomp's
# default, is best: a step of ``tiny`` takes 24 ms, 27 to 36 where threads sleep early, 43 where they do at once. On
# cores busy with other work it takes four to fourteen times as long, and early sleep 60 ms. Results are the same.
if (
    "torch" not in sys.modules
    and not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ)
    and _others_run()
):
    os.environ["GOMP_SPINCOUNT"] = "1000"

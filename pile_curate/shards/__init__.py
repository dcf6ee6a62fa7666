"""Write kept documents as training shards and token files, and read them back.

The modules are independent of each other's dependencies: ``tokens`` needs numpy and pyarrow only (the
trainer imports it), ``tokenizer`` loads the tokenizers library inside its functions.
"""

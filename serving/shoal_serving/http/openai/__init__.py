"""OpenAI's API, as its clients and vLLM's speak it: chat, completions, embeddings, models, rerank.

Sources: OpenAI's API reference, and the documents of vLLM's OpenAI-compatible server for what it
adds. A field that is null is one that is absent; one that is not supported is refused by its name.
"""

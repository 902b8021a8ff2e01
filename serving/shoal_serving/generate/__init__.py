"""The engine behind `task: text-generation`: many sequences of tokens through one decoder at once.

A request becomes a sequence; the scheduler gives sequences rows of the KV cache and says what each
step runs; the runner runs it; the sampler picks a token for every row; the detokenizer turns tokens
into text that may be sent. One thread owns the session and everything that a step touches; asyncio
stands on both sides of it.

    Generation ── start ──▶ Job ── scheduler ▸ runner ▸ sampler ▸ writer ──▶ Stream of Deltas

It may know tokens, tensors, adapters and grammars. It never knows HTTP, OpenAI's shapes or Ray, and
it never blocks the event loop.
"""

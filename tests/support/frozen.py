"""What was there before the first test is no garbage, and is not searched for any.

A model that is loaded or closed collects garbage. Beside the modules of all tests one collection
takes a fifth of a second: more than to load a small model.
"""

import gc


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()

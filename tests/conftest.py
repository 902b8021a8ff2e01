"""For every test: nothing sends telemetry. ONNX Runtime looks when it is first imported."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

pytest_plugins = ["frozen", "shoalcluster.plugin", "told", "worker_groups"]

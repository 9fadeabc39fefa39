import os
import subprocess
import sys

IMPORTS = "import app.infrastructure.openvino_detector, app.infrastructure.openvino_embedder"


def test_a_start_tells_nobody_and_leaves_nothing_in_the_home(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key not in {"CI", "TF_BUILD", "JENKINS_URL"}}
    check = f"{IMPORTS}, sys; assert sys.modules['openvino_telemetry'] is None"
    subprocess.run([sys.executable, "-c", check], env={**environment, "HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []

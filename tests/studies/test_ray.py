"""Runs as tasks of a real Ray cluster: two nodes on this machine, one of which is killed."""

import subprocess
import sys
import threading
import time

import pyarrow.parquet as pq
import pytest

from limbeck.errors import RequestError
from limbeck.studies.study import run_study
from studies.small import study, told

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    head = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = head.add_node(num_cpus=1)
    yield head, node
    ray.shutdown()
    head.shutdown()


@pytest.mark.timeout(900)
def test_a_node_is_killed_and_every_run_finishes(tmp_path, cluster):
    """The table is the local executor's."""
    head, node = cluster
    local = run_study(study(tmp_path / "local"), name="local", command="")
    spec = {"kind": "ray", "address": head.address, "cpus": 1, "retries": 5}

    def kill():
        deadline = time.monotonic() + 120
        while not list((tmp_path / "ray/out/runs").glob("*/results.json")):
            if time.monotonic() > deadline:
                return
            time.sleep(0.2)
        head.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    done = run_study(study(tmp_path / "ray", executor=spec), name="ray", command="")
    killer.join()
    assert len(head.list_all_nodes()) == 1, "the node was killed"
    assert done.study["failed"] == [] and told(done.table) == told(local.table)


@pytest.mark.timeout(600)
def test_results_by_way_of_a_storage(tmp_path, cluster):
    head, _ = cluster
    storage = (tmp_path / "bucket").as_uri()
    (tmp_path / "bucket").mkdir()
    spec = {"kind": "ray", "address": head.address, "storage": storage}
    done = run_study(study(tmp_path, seeds=[0], executor=spec), name="ray", command="")
    assert done.table.num_rows == 2 and len(list((tmp_path / "bucket").glob("*.tar.gz"))) == 2
    assert pq.read_table(done.path / done.table.to_pylist()[0]["items"]).num_rows == 16


def test_a_cluster_that_does_not_answer(tmp_path):
    spec = {"kind": "ray", "address": "127.0.0.1:1"}
    with pytest.raises(RequestError, match="no Ray cluster answers"):
        run_study(study(tmp_path, executor=spec), name="ray", command="")
    assert not (tmp_path / "out").exists()


def test_importing_it_is_left_to_who_needs_it():
    code = "import limbeck.studies.study, sys; assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

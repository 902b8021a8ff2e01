"""One loaded model: how queries are cut, warmed, proven, bounded, drained and closed."""

import asyncio
import gc
from pathlib import Path

import numpy as np
import psutil
import pytest
from graphs import save
from onnx import TensorProto, helper, numpy_helper
from stand_ins import Arithmetic, loaded, revision, rows, spec

from shoal.api.model import OnnxRuntime
from shoal.api.tensors import Datatype
from shoal.errors import DeadlineExceeded, InvalidRequest, Overloaded, ProofFailed
from shoal_serving.backends.onnx import OnnxBackend
from shoal_serving.batched_model import BatchedModel


@pytest.fixture
def serve():
    """Builds a model, and closes it after the test: `serve(backend, max_batch_size=...)`."""
    models = []

    def build(backend=None, **batching):
        models.append(loaded(backend, **batching))
        return models[-1]

    yield build
    for model in models:
        model.close()


@pytest.fixture
def serve_graph(serve, tmp_path):
    """Builds a warm model of one ONNX node from x to y: `serve_graph("CumSum", ["x", "zero"])`."""

    def build(operator, inputs=("x",), kind=TensorProto.FLOAT, shape=("n", 2), **attributes):
        x = helper.make_tensor_value_info("x", kind, shape)
        y = helper.make_tensor_value_info("y", kind, ["rows", *shape[1:]])
        zero = numpy_helper.from_array(np.zeros(1, np.int64), "zero")
        node = helper.make_node(operator, inputs, ["y"], **attributes)
        constants = [zero] if "zero" in inputs else []
        save(tmp_path, helper.make_graph([node], "graph", [x], [y], constants))
        model = serve(OnnxBackend(tmp_path / "model.onnx", OnnxRuntime(), 1), max_batch_size=4)
        model.warm(lambda done, total: None)
        return model

    return build


async def test_an_answer_has_the_rows_that_were_asked(serve):
    answer = await serve().answer(rows(1, 2))
    assert answer["y"].tolist() == [[2, 2], [4, 4]]


async def test_a_query_larger_than_a_batch_is_split_and_joined(serve):
    backend = Arithmetic()
    answer = await serve(backend, max_batch_size=4).answer(rows(*range(20, 31)))
    assert answer["y"][:, 0].tolist() == list(range(40, 62, 2))
    assert [len(run["x"]) for run in backend.runs] == [4, 4, 3]


async def test_parts_are_joined_also_when_the_limits_change_between(serve):
    backend = Arithmetic()
    model = serve(backend, max_batch_size=2)
    backend.hold()
    answering = asyncio.create_task(model.answer(rows(1, 2, 3, 4, 5)))
    await backend.entered()
    model.tune(revision(max_batch_size=3))
    backend.let_go()
    assert (await answering)["y"][:, 0].tolist() == [2, 4, 6, 8, 10]


async def test_a_query_without_rows_gets_an_answer_without_rows(serve):
    assert (await serve().answer(rows()))["y"].shape == (0, 2)


async def test_a_graph_of_a_fixed_batch_is_served_unbatched(serve_graph):
    model = serve_graph("Neg", shape=(1, 2))
    assert (model.batches, model.max_batch_size) == (False, 1)
    answers = await asyncio.gather(*(model.answer(rows(i)) for i in range(5)))
    assert [answer["y"][0, 0] for answer in answers] == [0, -1, -2, -3, -4]


async def test_a_graph_of_independent_rows_is_served_in_batches(serve_graph):
    model = serve_graph("Neg")
    assert (model.batches, model.max_batch_size) == (True, 4)


KINDS = [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32]


@pytest.mark.parametrize("kind", KINDS)
async def test_rows_that_add_up_are_found_out_and_served_unbatched(serve_graph, kind):
    model = serve_graph("CumSum", ["x", "zero"], kind)
    assert not model.batches
    query = {"x": rows(1, 2, 3)["x"].astype(helper.tensor_dtype_to_np_dtype(kind))}
    together = await asyncio.gather(*(model.answer(query) for _ in range(3)))
    assert [answer["y"][:, 0].tolist() for answer in together] == [[1, 3, 6]] * 3


async def test_a_mean_over_all_rows_is_found_out_and_served_whole(serve_graph):
    model = serve_graph("ReduceMean", ["x", "zero"])
    assert not model.batches
    assert (await model.answer(rows(*range(9))))["y"].tolist() == [[4, 4]]


async def test_rows_that_compete_are_found_out(serve_graph):
    assert not serve_graph("Softmax", axis=0).batches


async def test_whether_any_row_is_true_is_found_out(serve):
    booleans = spec("x", datatype=Datatype.BOOL), spec("y", datatype=Datatype.BOOL)
    model = serve(Arithmetic(lambda i: {"y": i["x"] | i["x"].any()}, booleans[:1], booleans[1:]))
    model.warm(lambda done, total: None)
    assert not model.batches


async def test_indices_that_the_graph_refuses_do_not_stop_a_batching_model(serve, tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.INT64, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    only = numpy_helper.from_array(np.ones(1, np.float32), "only")
    node = helper.make_node("Gather", ["only", "x"], ["y"])
    save(tmp_path, helper.make_graph([node], "lookup", [x], [y], [only]))
    model = serve(OnnxBackend(tmp_path / "model.onnx", OnnxRuntime(), 1))
    model.warm(lambda done, total: None)
    assert model.batches


async def test_numbers_tell_where_no_other_index_would_do(serve):
    def compute(inputs):
        if inputs["index"].any():
            raise InvalidRequest("there is only one")
        return {"y": inputs["x"].cumsum(axis=0)}

    index = spec("index", (-1,), Datatype.INT64)
    model = serve(Arithmetic(compute, (spec("x"), index)))
    model.warm(lambda done, total: None)
    assert not model.batches


async def test_a_graph_that_runs_one_row_only_is_found_out(serve):
    def one_row(inputs):
        if len(inputs["x"]) != 1:
            raise InvalidRequest("one row")
        return {"y": inputs["x"]}

    model = serve(Arithmetic(one_row))
    model.warm(lambda done, total: None)
    assert not model.batches


async def test_a_model_is_warmed_at_every_power_of_two_up_to_its_largest_batch(serve):
    backend, progress = Arithmetic(), []
    serve(backend, max_batch_size=12).warm(lambda *numbers: progress.append(numbers))
    sizes = {len(run["x"]) for run in backend.runs}
    assert sizes == {1, 2, 4, 8, 12}
    assert progress == [(i, 5) for i in range(6)]


async def test_a_warm_model_answers_small_queries_on_the_event_loop(serve):
    model = serve()
    model.warm(lambda done, total: None)
    answering = asyncio.ensure_future(model.answer(rows(1)))
    for _ in range(3):  # the query is taken, runs, and is answered
        await asyncio.sleep(0)
    assert answering.done()


@pytest.mark.parametrize("sample", [rows(), rows(1, 2, 3)])
async def test_a_sample_may_have_any_number_of_rows(serve, sample):
    model = serve(max_batch_size=2)
    model.proof.query = sample
    model.warm(lambda done, total: None)
    model.prove()
    assert model.batches


async def test_a_batch_that_is_too_large_fails_the_load_with_the_way_out(serve):
    def small(inputs):
        if len(inputs["x"]) > 4:
            raise MemoryError
        return {"y": inputs["x"]}

    with pytest.raises(ProofFailed, match=r"does not run 8 rows at once.*Lower spec\.batching"):
        serve(Arithmetic(small), max_batch_size=8).warm(lambda done, total: None)


async def test_an_example_that_cannot_be_run_fails_the_proof_with_the_way_out(serve):
    def refuse(inputs):
        raise InvalidRequest("no zeros")

    model = serve(Arithmetic(refuse))
    for check in (model.prove, lambda: model.warm(lambda done, total: None)):
        with pytest.raises(ProofFailed, match=r"does not answer: no zeros.*sample\.json"):
            check()


async def test_a_query_waits_no_longer_than_it_says(serve):
    backend = Arithmetic()
    model = serve(backend)
    backend.hold()
    first = asyncio.create_task(model.answer(rows(1)))
    await backend.entered()
    with pytest.raises(DeadlineExceeded):
        await model.answer(rows(2), timeout=0.01)
    backend.let_go()
    await first
    assert len(backend.runs) == 1


async def test_a_query_waits_no_longer_than_the_model_says(serve):
    backend = Arithmetic()
    model = serve(backend, timeout="10ms")
    backend.hold()
    first = asyncio.create_task(model.answer(rows(1)))
    await backend.entered()
    with pytest.raises(DeadlineExceeded):
        await model.answer(rows(2), timeout=60)
    backend.let_go()
    await first


async def test_a_full_queue_refuses_a_query_and_drain_does_not_wait_for_it(serve):
    backend = Arithmetic()
    model = serve(backend, max_queue_size=1)
    backend.hold()
    taken = [asyncio.create_task(model.answer(rows(1)))]
    await backend.entered()
    taken.append(asyncio.create_task(model.answer(rows(2))))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await model.answer(rows(3))
    backend.let_go()
    await asyncio.gather(*taken)
    await model.drain()


async def test_a_query_of_more_rows_than_the_queue_holds_is_answered_whole(serve):
    model = serve(Arithmetic(), max_batch_size=2, max_queue_size=1)
    answer = await model.answer(rows(1, 2, 3, 4, 5, 6, 7))
    assert answer["y"][:, 0].tolist() == [2, 4, 6, 8, 10, 12, 14]


async def test_another_query_comes_between_the_batches_of_a_large_one(serve):
    backend = Arithmetic()
    model = serve(backend, max_batch_size=1)
    backend.hold()
    large = asyncio.create_task(model.answer(rows(1, 2, 3)))
    await backend.entered()
    small = asyncio.create_task(model.answer(rows(4)))
    await asyncio.sleep(0)
    backend.let_go()
    await asyncio.gather(large, small)
    assert [run["x"][0, 0] for run in backend.runs] == [1, 4, 2, 3]


async def test_the_rest_of_a_query_that_failed_is_not_run(serve):
    backend = Arithmetic()
    model = serve(backend, max_batch_size=1)
    with pytest.raises(ValueError, match="poison"):
        await model.answer(rows(13, 1, 2, 3))
    await model.answer(rows(4))
    assert {2, 3}.isdisjoint(run["x"][0, 0] for run in backend.runs)
    assert model.queued == 0


async def test_a_cancelled_query_is_not_run(serve):
    backend = Arithmetic()
    model = serve(backend)
    backend.hold()
    first = asyncio.create_task(model.answer(rows(1)))
    await backend.entered()
    second = asyncio.create_task(model.answer(rows(2)))
    await asyncio.sleep(0)
    second.cancel()
    backend.let_go()
    await first
    await model.drain()
    assert [run["x"][0, 0] for run in backend.runs] == [1]


async def test_a_large_query_is_answered_as_any_other(serve):
    assert (await serve().answer(rows(4), large=True))["y"].tolist() == [[8, 8]]


async def test_a_model_drains_until_everything_it_took_is_answered(serve):
    backend = Arithmetic()
    model = serve(backend)
    backend.hold()
    answering = [asyncio.create_task(model.answer(rows(i))) for i in range(3)]
    await backend.entered()
    draining = asyncio.create_task(model.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    backend.let_go()
    await draining
    assert all(answer.done() for answer in answering)


async def test_an_idle_model_drains_at_once(serve):
    await serve().drain()


def test_a_closed_model_gives_its_memory_back(tmp_path):
    path = weighty(tmp_path, mebibytes=50)
    models = [load_and_close(path) for _ in range(2)]  # A model may be held for long.
    before = resident()
    models += [load_and_close(path) for _ in range(8)]
    assert resident() < before + 20 * 2**20, "less than half of one"


def weighty(folder: Path, mebibytes: int) -> Path:
    """A graph that adds so much."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2**18])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2**18])
    weights = np.random.default_rng(0).random((mebibytes, 2**18), np.float32)
    mean = helper.make_node("ReduceMean", ["weights", "axes"], ["mean"])
    add = helper.make_node("Add", ["x", "mean"], ["y"])
    constants = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.zeros(1, np.int64), "axes"),
    ]
    save(folder, helper.make_graph([mean, add], "weighty", [x], [y], constants))
    return folder / "model.onnx"


def load_and_close(path: Path) -> BatchedModel:
    options = OnnxRuntime.model_validate({"sessionOptions": {"graphOptimizationLevel": "disabled"}})
    model = loaded(OnnxBackend(path, options, 1), max_batch_size=2)
    model.warm(lambda done, total: None)
    model.close()
    return model


def resident() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss

"""Graphs as the converters of scikit-learn, XGBoost and LightGBM write them."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from shoal.api.tensors import Datatype
from shoal.errors import ModelLoadFailed

FLOATS = (TensorProto.FLOAT, ["n", 2])
X = np.array([[1, 0], [0, 1], [3, 0]], np.float32)
LABELS = {TensorProto.STRING: ["cat", "dog"], TensorProto.INT64: [0, 1]}


def scores_by_label(kind):
    """The type of a ZipMap's output: a sequence of maps from label to score."""
    score = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    return helper.make_sequence_type_proto(helper.make_map_type_proto(kind, score))


def ml(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, domain="ai.onnx.ml", **attributes)


def zip_map(labels):
    return ml("ZipMap", ["scores"], ["output_probability"], **named(labels, "classlabels_int64s"))


def named(labels, as_numbers):
    """Labels as an attribute: they are texts, or numbers whose name differs by operator."""
    return {as_numbers if isinstance(labels[0], int) else "classlabels_strings": labels}


def linear(labels):
    """A logistic regression of two classes."""
    return ml(
        "LinearClassifier",
        ["x"],
        ["output_label", "scores"],
        coefficients=[1.0, -1.0, -1.0, 1.0],
        intercepts=[0.0, 0.0],
        multi_class=1,
        post_transform="SOFTMAX",
        **named(labels, "classlabels_ints"),
    )


def trees(labels):
    """Two boosted stumps on the first feature, a vote for each class."""
    return ml(
        "TreeEnsembleClassifier",
        ["x"],
        ["output_label", "scores"],
        nodes_treeids=[0, 0, 0, 1, 1, 1],
        nodes_nodeids=[0, 1, 2, 0, 1, 2],
        nodes_featureids=[0] * 6,
        nodes_modes=["BRANCH_LT", "LEAF", "LEAF"] * 2,
        nodes_values=[0.5, 0.0, 0.0] * 2,
        nodes_truenodeids=[1, 0, 0] * 2,
        nodes_falsenodeids=[2, 0, 0] * 2,
        class_treeids=[0, 0, 1, 1],
        class_nodeids=[1, 2, 1, 2],
        class_ids=[0, 0, 1, 1],
        class_weights=[-1.0, 2.0, 1.0, -2.0],
        post_transform="SOFTMAX",
        **named(labels, "classlabels_int64s"),
    )


def softmax(scores):
    powers = np.exp(np.array(scores))
    return powers / powers.sum(axis=1, keepdims=True)


EXPECTED = {
    linear: softmax([[1, -1], [-1, 1], [3, -3]]),
    trees: softmax([[2, -2], [-1, 1], [2, -2]]),
}


@pytest.mark.parametrize("classifier", EXPECTED)
@pytest.mark.parametrize("kind", LABELS)
def test_scores_by_label_become_two_tensors(graph, classifier, kind):
    labels = LABELS[kind]
    outputs = {"output_label": (kind, ["n"]), "output_probability": scores_by_label(kind)}
    backend = graph([classifier(labels), zip_map(labels)], {"x": FLOATS}, outputs)
    answer = backend.run({"x": X})
    names = [str(label).encode() for label in labels]

    np.testing.assert_allclose(answer["output_probability"], EXPECTED[classifier], rtol=1e-5)
    assert answer["output_probability"].dtype == np.float32
    assert answer["output_probability_labels"].tolist() == [names] * 3
    best = [names[i] for i in EXPECTED[classifier].argmax(axis=1)]
    came = answer["output_label"].tolist()
    assert came == (best if kind == TensorProto.STRING else [int(name) for name in best])


@pytest.fixture
def zipped(graph):
    kind = TensorProto.STRING
    labels = LABELS[kind]
    outputs = {"output_label": (kind, ["n"]), "output_probability": scores_by_label(kind)}
    return graph([linear(labels), zip_map(labels)], {"x": FLOATS}, outputs)


def test_both_tensors_are_declared(zipped):
    declared = {spec.name: (spec.datatype, spec.shape) for spec in zipped.outputs}
    assert declared == {
        "output_label": (Datatype.BYTES, (-1,)),
        "output_probability": (Datatype.FP32, (-1, -1)),
        "output_probability_labels": (Datatype.BYTES, (-1, -1)),
    }
    assert zipped.batches


def test_a_label_of_one_row_is_one_of_any_number_of_rows(graph):
    # So LightGBM's converter declares it, and gives as many as there are.
    outputs = {"output_label": (TensorProto.INT64, [1]), "scores": (TensorProto.FLOAT, ["n", 2])}
    backend = graph([trees([0, 1])], {"x": FLOATS}, outputs)
    assert backend.outputs[0].shape == (-1,)
    assert backend.batches


def test_a_graph_of_one_row_gives_one_row(graph):
    outputs = {"output_label": (TensorProto.INT64, [1]), "scores": (TensorProto.FLOAT, [1, 2])}
    backend = graph([trees([0, 1])], {"x": (TensorProto.FLOAT, [1, 2])}, outputs)
    assert [spec.shape for spec in backend.outputs] == [(1,), (1, 2)]
    assert not backend.batches


def test_a_locale_that_is_not_here_is_named_with_the_way_out(graph):
    node = helper.make_node(
        "StringNormalizer", ["x"], ["y"], locale="xx_XX", case_change_action="LOWER"
    )
    texts = {"x": (TensorProto.STRING, ["n"])}, {"y": (TensorProto.STRING, ["n"])}
    with pytest.raises(ModelLoadFailed, match="xx_XX") as failed:
        graph([node], *texts)
    assert "locale" in failed.value.action


def test_one_of_both_may_be_asked_for(zipped):
    answer = zipped.run({"x": X}, ["output_probability_labels"])
    assert "output_probability_labels" in answer
    assert "output_label" not in answer


def test_no_rows_have_no_scores(zipped):
    answer = zipped.run({"x": X[:0]})
    assert answer["output_probability"].shape == (0, 0)
    assert answer["output_probability_labels"].shape == (0, 0)


def test_scores_without_a_map_are_a_tensor(graph):
    outputs = {
        "output_label": (TensorProto.INT64, ["n"]),
        "scores": (TensorProto.FLOAT, ["n", 2]),
    }
    answer = graph([trees([0, 1])], {"x": FLOATS}, outputs).run({"x": X})
    np.testing.assert_allclose(answer["scores"], EXPECTED[trees], rtol=1e-5)
    assert answer["output_label"].tolist() == [0, 1, 0]


def test_a_regression_by_trees_is_a_number_for_each_row(graph):
    node = ml(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_values=[0.5, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        target_treeids=[0, 0],
        target_nodeids=[1, 2],
        target_ids=[0, 0],
        target_weights=[7.0, 9.0],
        n_targets=1,
    )
    backend = graph([node], {"x": FLOATS}, {"y": (TensorProto.FLOAT, ["n", 1])})
    assert backend.run({"x": X})["y"].tolist() == [[9], [7], [9]]

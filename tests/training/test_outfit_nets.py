"""Graph networks over outfits against cases worked out by hand. Needs train."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")

from training import outfits  # noqa: E402
from training.outfit_data import (  # noqa: E402
    Person,
    grouped,
    load_people,
    polyvore,
    save_people,
)
from training.outfit_scorer import arrays  # noqa: E402
from training.outfit_street import split  # noqa: E402
from training.outfits import Outfit, Recipe  # noqa: E402

from engines.nets.outfits import (  # noqa: E402
    APART,
    HyperRecipe,
    Ngnn,
    Ocphn,
    TwoModalities,
    adjacency,
    hyper_recipe,
    key_pair,
    penalty,
    preference,
)
from pipeline.tagging.outfits.items import COLOURS, Item  # noqa: E402
from pipeline.tagging.outfits.scorer import Scorer  # noqa: E402

pytestmark = pytest.mark.train


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def leaky(x):
    return x if x > 0 else 0.01 * x


def gru(told, h, weights):
    """One cell of width 1: reset, update and new gate, as PyTorch orders them."""
    (ir, iz, im), (hr, hz, hm), (br, bz, bm), (cr, cz, cm) = weights
    reset = sigmoid(ir * told + br + hr * h + cr)
    update = sigmoid(iz * told + bz + hz * h + cz)
    new = math.tanh(im * told + bm + reset * (hm * h + cm))
    return (1 - update) * new + update * h


GRU = ((0.5, -0.3, 0.8), (0.2, 0.4, -0.6), (0.1, 0.0, -0.2), (0.05, -0.1, 0.3))


def set_gru(walk):
    cell = walk.gru
    for parameter, values in zip(
        (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh), GRU, strict=True
    ):
        parameter.copy_(torch.tensor(values, dtype=parameter.dtype).view_as(parameter))


def test_adjacency_is_the_share_of_a_categorys_outfits_that_have_the_other():
    found = adjacency([np.array([0, 1]), np.array([0, 1, 2]), np.array([0])], 4)
    expected = np.zeros((4, 4))
    expected[0, 1], expected[0, 2] = 2 / 3, 1 / 3
    expected[1, 0], expected[1, 2] = 1, 1 / 2
    expected[2, 0], expected[2, 1] = 1, 1
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def by_hand_ngnn(steps):
    """Two garments of categories 0 and 2 of three; width 1, one feature."""
    enter, send, receive = (0.7, 9.0, -1.2), (1.1, 9.0, 0.4), (-0.5, 9.0, 0.9)
    edge = {(0, 2): 0.25, (2, 0): 0.75}
    h = {0: math.tanh(enter[0] * 0.6), 2: math.tanh(enter[2] * -0.8)}
    for _ in range(steps):
        told = {j: receive[j] * edge[i, j] * send[i] * h[i] for i, j in ((0, 2), (2, 0))}
        h = {j: gru(told[j], h[j], GRU) for j in h}
    return (enter, send, receive), sum(sigmoid(1.5 * x) * leaky(-0.7 * x) for x in h.values())


@pytest.mark.parametrize("steps", [1, 3])
def test_ngnn_scores_as_worked_out_by_hand(steps):
    (enter, send, receive), expected = by_hand_ngnn(steps)
    edges = np.zeros((3, 3), np.float32)
    edges[0, 2], edges[2, 0], edges[0, 1], edges[1, 2] = 0.25, 0.75, 5.0, 5.0
    net = Ngnn(edges, 1, width=1, steps=steps)
    with torch.no_grad():
        for part, values in (
            (net.enter, enter), (net.walk.send, send), (net.walk.receive, receive),
        ):  # fmt: skip
            part.weight.copy_(torch.tensor(values).view(3, 1, 1))
        set_gru(net.walk)
        net.read.attention.weight.fill_(1.5)
        net.read.score.weight.fill_(-0.7)
    kinds = torch.tensor([[0, 2, -1]])
    items = torch.tensor([[[0.6], [-0.8], [123.0]]])  # what is absent says nothing
    assert net(kinds, items).item() == pytest.approx(expected, abs=1e-6)


def by_hand_ocphn(bias):
    """Three garments, each a node (category's part, garment's part) that is told by layers that are
    the identity; the keys are the two whose product is smallest."""
    items = (0.9, -0.4, 0.5)
    vectors = (0.3, 0.8, -0.6)

    def tower(x):
        return math.tanh(math.tanh(leaky(x)))

    nodes = [(tower(v), tower(x)) for v, x in zip(vectors, items, strict=True)]
    products = {(i, j): sum(a * b for a, b in zip(nodes[i], nodes[j], strict=True))
                for i, j in ((0, 1), (0, 2), (1, 2))}  # fmt: skip
    keys = min(products, key=lambda pair: products[pair])
    total = 0.0
    for key in keys:
        heard = [sum(nodes[i][d] + bias for i in range(3) if i != key) + bias for d in (0, 1)]
        # Both of its halves are turned by a cell of their own.
        h = [gru(heard[d], nodes[key][d], GRU) for d in (0, 1)]
        total += sigmoid(sum(h)) * leaky(2 * h[0] - h[1])
    return items, vectors, keys, total


def identity_ocphn(vectors, bias):
    recipe = HyperRecipe(1, 1, 1e-4, 0.1, averaged=True)
    net = Ocphn(3, 1, recipe, of_category=1).double()
    with torch.no_grad():
        net.vectors.copy_(torch.tensor(vectors, dtype=torch.double)[:, None])
        for tower in (net.of_item, net.of_category):
            for layer in tower.layers:
                layer.weight.fill_(1.0)
        for part in (net.walk.send, net.walk.receive):
            part.weight.copy_(torch.eye(2, dtype=torch.double).expand(3, 2, 2))
            part.bias.fill_(bias)
        cell = net.walk.gru
        for parameter, values in (
            (cell.weight_ih, GRU[0]), (cell.weight_hh, GRU[1]),
        ):  # fmt: skip
            gates = [v * torch.eye(2, dtype=torch.double) for v in values]
            parameter.copy_(torch.cat(gates))
        for parameter, values in ((cell.bias_ih, GRU[2]), (cell.bias_hh, GRU[3])):
            parameter.copy_(torch.tensor([v for v in values for _ in (0, 1)], dtype=torch.double))
        net.read.attention.weight.copy_(torch.tensor([[1.0, 1.0]]))
        net.read.score.weight.copy_(torch.tensor([[2.0, -1.0]]))
    return net


@pytest.mark.parametrize("bias", [0.0, 0.15])
def test_ocphn_scores_as_worked_out_by_hand(bias):
    items, vectors, keys, expected = by_hand_ocphn(bias)
    net = identity_ocphn(vectors, bias)
    kinds = torch.tensor([[0, 1, 2, -1]])
    features = torch.tensor([[[x] for x in (*items, 77.0)]], dtype=torch.double)
    chosen = key_pair(net.nodes(kinds, features), kinds >= 0)
    assert tuple(torch.nonzero(chosen[0]).ravel().tolist()) == keys
    assert net(kinds, features).item() == pytest.approx(expected, abs=1e-9)


def small_nets():
    torch.manual_seed(3)
    edges = np.random.default_rng(0).uniform(0, 1, (4, 4)).astype(np.float32)
    return [
        Ngnn(edges, 3, width=4).double(),
        Ocphn(4, 3, HyperRecipe(3, 2, 1e-3, 1e-3, averaged=False), of_category=5).double(),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_gradients_are_those_of_the_scores(which):
    net = small_nets()[which]
    kinds = torch.tensor([[0, 2, 3], [1, 3, -1]])
    items = torch.randn(2, 3, 3, dtype=torch.double, requires_grad=True)
    names = [name for name, _ in net.named_parameters()]

    def scores(x, *weights):
        return torch.func.functional_call(net, dict(zip(names, weights, strict=True)), (kinds, x))

    weights = [p.detach().clone().requires_grad_() for p in net.parameters()]
    assert torch.autograd.gradcheck(scores, (items, *weights), fast_mode=True)


@pytest.mark.parametrize("which", [0, 1])
def test_order_and_what_is_absent_change_nothing(which):
    net = small_nets()[which]
    items = torch.randn(1, 3, 3, dtype=torch.double)
    one = net(torch.tensor([[0, 2, 3]]), items)
    turned = net(torch.tensor([[3, 0, 2]]), items[:, [2, 0, 1]])
    padded = net(torch.tensor([[0, -1, 2, 3, -1]]), items[:, [0, 0, 1, 2, 1]])
    torch.testing.assert_close(one, turned)
    torch.testing.assert_close(one, padded)


def test_a_garment_that_is_no_key_counts_only_through_the_keys():
    net = small_nets()[1]
    net.walk.steps = 0
    kinds, items = torch.tensor([[0, 1, 2]]), torch.randn(1, 3, 3, dtype=torch.double)
    keys = key_pair(net.nodes(kinds, items), kinds >= 0)[0]
    alone = net(kinds[:, keys], items[:, keys])
    torch.testing.assert_close(net(kinds, items), alone)


def test_one_garment_is_no_outfit_to_ocphn():
    with pytest.raises(ValueError, match="fewer than two"):
        small_nets()[1](torch.tensor([[1, -1]]), torch.zeros(1, 2, 3, dtype=torch.double))


def test_losses_by_both_statements():
    better, worse = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    code = -(sigmoid(1.0) + sigmoid(-2.0)) / 2
    paper = -(math.log(sigmoid(1.0)) + math.log(sigmoid(-2.0))) / 2
    assert preference(better, worse, "code").item() == pytest.approx(code, abs=1e-6)
    assert preference(better, worse, "paper").item() == pytest.approx(paper, abs=1e-6)


def test_penalties_by_both_statements():
    net = torch.nn.Linear(2, 1)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, 2.0]]))
        net.bias.fill_(3.0)
    assert penalty(net, averaged=False).item() == pytest.approx(14)
    assert penalty(net, averaged=True).item() == pytest.approx(14 / 3)
    assert (hyper_recipe("code").width, hyper_recipe("code").steps) == (16, 1)
    assert (hyper_recipe("paper").width, hyper_recipe("paper").steps) == (12, 3)


def test_two_modalities_are_weighed_and_held_together():
    edges = np.full((3, 3), 0.5, np.float32)
    pictures, words = Ngnn(edges, 2, width=3), Ngnn(edges, 4, width=3)
    net = TwoModalities(pictures, words)
    kinds, seen, read = torch.tensor([[0, 2, -1]]), torch.randn(1, 3, 2), torch.randn(1, 3, 4)
    score, apart = net(kinds, seen, read)
    expected = 0.2 * pictures(kinds, seen) + 0.8 * words(kinds, read)
    torch.testing.assert_close(score, expected)
    between = pictures.initial(kinds, seen)[0, :2] - words.initial(kinds, read)[0, :2]
    torch.testing.assert_close(apart, between.square().mean())
    assert APART == 5


def made(rng, n):
    """Outfits of two garments whose only rule is that both features are alike."""
    found = []
    for _ in range(n):
        tone = rng.uniform(-1, 1)
        items = np.array([[tone, 1], [tone, 1]]) + rng.normal(0, 0.05, (2, 2)) * [1, 0]
        found.append(Outfit(np.array([0, 1]), items.astype(np.float32)))
    return found


def test_ngnn_learns_which_garment_fits():
    rng = np.random.default_rng(0)
    train, test = made(rng, 200), made(rng, 150)
    torch.manual_seed(0)
    net = Ngnn(adjacency([one.kinds for one in train], 2), 2)
    asked = outfits.questions(test, outfits.same_category(test), rng)

    def score(many):
        return outfits.scores_of(net, many)

    before = outfits.filled(score, asked)
    losses = list(
        outfits.fit(
            net, train, outfits.same_category(train), Recipe(25, 32, 1e-2, 0.0, statement="paper")
        )
    )
    assert losses[-1] < 0.8 * losses[0]
    assert before < 0.4
    assert outfits.filled(score, asked) > 0.5


def test_equal_answers_are_worth_their_chance():
    one = Outfit(np.array([0, 1]), np.ones((2, 1), np.float32))
    asked = outfits.questions([one] * 5, outfits.same_category([one]), np.random.default_rng(0))
    assert outfits.filled(lambda many: np.zeros(len(many)), asked) == pytest.approx(0.25)
    assert outfits.told_apart(lambda many: np.zeros(len(many)), asked) == pytest.approx(0.5)


def test_area_is_the_share_of_pairs_in_order():
    assert outfits.area(np.array([1.0, 2.0]), np.array([0.0, 1.0])) == pytest.approx(3.5 / 4)


def test_swaps_take_what_they_say():
    rng = np.random.default_rng(1)
    one = Outfit(np.array([0, 2]), np.ones((2, 1), np.float32))
    kinds = {outfits.any_category(4)(one, 0, rng)[0] for _ in range(60)}
    assert kinds == {1, 3}
    weights = np.array([0.5, 0.5, 0.0, 0.0])
    assert {outfits.any_category(4, weights)(one, 0, rng)[0] for _ in range(20)} == {1}
    worn = [Outfit(np.array([0]), np.array([[float(i)]], np.float32)) for i in range(3)]
    swap = outfits.same_category(worn)
    drawn = {swap(worn[1], 0, rng)[1].item() for _ in range(60)}
    assert drawn == {0.0, 2.0}


def test_the_control_prefers_what_is_seen_together():
    control = outfits.Together([np.array([0, 1])] * 9 + [np.array([0, 2])], 3)
    assert control(np.array([0, 1])) > control(np.array([0, 2])) > control(np.array([1, 2]))


@pytest.mark.parametrize("shared", [False, True])
def test_the_scorer_says_what_the_network_says(shared):
    torch.manual_seed(2)
    names = ("bag", "coat", "pants", "shoe")
    rng = np.random.default_rng(2)
    if shared:
        net = Ngnn(np.ones((1, 1), np.float32), COLOURS, width=5, steps=1)
    else:
        net = Ngnn(rng.uniform(0, 1, (4, 4)).astype(np.float32), COLOURS, width=5)
    mean, scale = rng.normal(size=COLOURS), rng.uniform(0.5, 2, COLOURS)
    weights = {**arrays(net, names, mean, scale), "ranks": np.linspace(-1, 1, 101)}
    scorer = Scorer(weights)
    items = [Item(names[k], rng.normal(size=COLOURS).astype(np.float32), 9) for k in (1, 3, 0)]
    kinds = torch.tensor([[0, 0, 0] if shared else [1, 3, 0]])
    scaled = ((np.stack([item.colours for item in items]) - mean) * scale).astype(np.float32)
    expected = net(kinds, torch.from_numpy(scaled)[None]).item()
    assert scorer.with_each(items[:2], items[2:])[0] == pytest.approx(expected, abs=1e-5)
    usual = torch.from_numpy(scaled)[None].repeat(3, 1, 1)
    usual[range(3), range(3)] = 0
    gains = net(kinds.repeat(3, 1), usual).detach().numpy()
    verdict = scorer.judge(items)
    assert verdict is not None
    assert verdict.least == int(gains.argmax())
    assert verdict.fits == pytest.approx((expected + 1) / 2, abs=0.02)


def person(i, group, colours=None):
    names = ("coat", "pants") if i % 2 else ("dress", "shoe")
    own = np.full((2, COLOURS), 0.1 * i, np.float32) if colours is None else colours
    looks = np.full((2, 6), np.nan if i > 5 else i, np.float16)
    return Person(f"{i:04}", group, names, own, looks, own)


def test_people_come_back_from_a_file_as_they_were(tmp_path):
    people = [person(i, i // 2) for i in range(10)]
    save_people(tmp_path / "people.npz", people)
    for one, other in zip(load_people(tmp_path / "people.npz"), people, strict=True):
        assert (one.id, one.group, one.categories) == (other.id, other.group, other.categories)
        np.testing.assert_array_equal(one.colours, other.colours)
        np.testing.assert_array_equal(one.looks, other.looks)


def test_near_duplicates_are_never_split_and_splits_stay():
    people = [person(i, i // 3) for i in range(60)]
    parts = split(people, 4)
    assert {one.group for one in parts.train}.isdisjoint(one.group for one in parts.held)
    assert len(parts.held) == pytest.approx(12, abs=2)
    assert [one.id for one in split(people, 4).held] == [one.id for one in parts.held]
    assert [one.id for one in split(people, 5).held] != [one.id for one in parts.held]


def test_pictures_that_are_nearly_the_same_are_one_group():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 50))
    unit = [v / np.linalg.norm(v) for v in (one, other, one + 0.01 * other, other)]
    assert grouped([v.astype(np.float32) for v in unit]) == [0, 1, 0, 1]


def test_the_split_files_of_polyvore_are_read_and_others_refused(tmp_path):
    rows = [{"id": 17, "name": "Coats"}, {"id": 9, "name": "Pumps"}]
    (tmp_path / "category_summarize_100.json").write_text(json.dumps(rows))
    outfit = [{"items_category": [9, 17], "items_index": [1, 2], "set_id": "1"}]
    for name in ("train", "test"):
        (tmp_path / f"{name}_no_dup_new_100.json").write_text(json.dumps(outfit))
    train, test = polyvore(tmp_path)
    assert [one.tolist() for one in (*train, *test)] == [[1, 0], [1, 0]]
    (tmp_path / "test_no_dup_new_100.json").write_text(json.dumps([{"items_category": [3]}]))
    with pytest.raises(SystemExit, match="not NGNN's split files"):
        polyvore(tmp_path)

"""The reference's own parts against published or hand-computed values: `python -m unittest` in this folder."""

import unittest

import numpy as np
import torch

from ann import Ann
from attacks import correct, pgd_start
from calibration import percentile
from philox import philox4x32, stream_id, uniform
from rate_coding import rate_coded, straight_through, uniform_steps
from resnet import SpikingResNet, resnet12, resnet20, spiking_network
from snn import Network, PiecewiseLinearSpike, SpikingVGG, vgg5, vgg11


class Philox(unittest.TestCase):
    def test_known_answers_of_random123(self):
        cases = [
            ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
            ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
            ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
        ]
        for counter, key, expected in cases:
            words = [int(word, 16) for word in counter.split()]
            drawn = philox4x32(np.array([words], dtype=np.uint32), tuple(int(word, 16) for word in key.split()))
            self.assertEqual([f"{word:08x}" for word in drawn[0]], expected.split())

    def test_stream_ids_are_fnv_1a(self):
        self.assertEqual(stream_id(""), 0x811C9DC5)
        self.assertEqual(stream_id("foobar"), 0xBF9CF968)

    def test_a_sample_draws_the_same_whatever_its_batch(self):
        together = uniform(5, np.arange(10, 14), 27, "pgd")
        alone = uniform(5, np.array([12]), 27, "pgd")
        np.testing.assert_array_equal(together[2], alone[0])

    def test_start_lies_in_the_ball_and_the_box(self):
        images = torch.rand(3, 3, 4, 4)
        start = pgd_start(images, 0, seed=2**40 + 1)
        self.assertLessEqual((start - images).abs().max().item(), 0.031 + 1e-7)
        self.assertTrue(((start >= 0) & (start <= 1)).all())


class Neurons(unittest.TestCase):
    def test_integrates_fires_and_resets_softly(self):
        model = SpikingVGG(Network("one", (1,), (), 1, input_shape=(1, 1, 1)), timesteps=4).eval()
        with torch.no_grad():
            model.features[0].weight.zero_()[0, 0, 1, 1] = 0.75
            model.classifier[0].weight.fill_(2.0)
            model.leak["l0"].fill_(0.5)
        seen = []
        logits = model(torch.ones(1, 1, 1, 1), lambda firing: seen.append(firing))
        membranes = [firing.membrane.item() for firing in seen if firing.layer == "conv1"]
        # 0.75, 0.375 + 0.75 fires and leaves 0.125, 0.0625 + 0.75, 0.40625 + 0.75 fires
        self.assertEqual(membranes, [0.75, 1.125, 0.8125, 1.15625])
        self.assertEqual(logits.item(), 4.0)
        self.assertEqual(model.spike_count[1].item(), 2.0)

    def test_does_not_fire_at_the_threshold(self):
        self.assertEqual(PiecewiseLinearSpike.apply(torch.tensor([0.0, 1e-7])).tolist(), [0.0, 1.0])

    def test_surrogate_gradient(self):
        u = torch.tensor([-1.5, -0.5, 0.0, 0.25, 1.0], requires_grad=True)
        PiecewiseLinearSpike.apply(u).sum().backward()
        torch.testing.assert_close(u.grad, torch.tensor([0.0, 0.15, 0.3, 0.225, 0.0]))

    def test_keys_are_those_of_the_original(self):
        names = SpikingVGG(vgg11(100), 8).state_dict()
        thresholds = [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]
        self.assertEqual(
            list(names),
            [f"features.{i}.weight" for i in thresholds[:8]]
            + [f"classifier.{i}.weight" for i in (0, 3, 6)]
            + [f"threshold.t{i}" for i in thresholds]
            + [f"leak.l{i}" for i in thresholds],
        )
        self.assertEqual(names["threshold.t27"].dim(), 0)
        self.assertEqual(list(SpikingVGG(vgg5(10), 8).threshold), ["t0", "t3", "t6", "t9", "t12"])


class Residual(unittest.TestCase):
    def test_keys_are_those_of_diet_snn(self):
        names = SpikingResNet(resnet12(10), 8).state_dict()
        weights = [f"pre_process.{i}.weight" for i in (0, 3, 6)]
        for layer in (1, 2, 3, 4):
            weights += [f"layer{layer}.0.residual.{i}.weight" for i in (0, 3)]
            weights += [f"layer{layer}.0.identity.0.weight"] if layer > 1 else []
        numbers = [0, 3, 6, *range(9, 17)]
        scalars = [f"threshold.t{i}" for i in numbers] + [f"leak.l{i}" for i in numbers]
        self.assertEqual(sorted(names), sorted([*weights, "classifier.0.weight", *scalars]))
        self.assertEqual(names["classifier.0.weight"].shape, (10, 2048))
        self.assertEqual([key for key in SpikingResNet(resnet20(10), 8).threshold][-1], "t24")

    def test_a_block_adds_its_input_to_the_second_sums(self):
        model = SpikingResNet(Network("one", (1,), (), 2, input_shape=(1, 1, 1), residual=((1, 1), (1, 1))), timesteps=3).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 4:
                    parameter.zero_()
            model.pre_process[0].weight[0, 0, 1, 1] = 2.0  # fires at every step
            model.layer1[0].residual[0].weight[0, 0, 1, 1] = 0.6  # 0.6, 1.2 fires and leaves 0.2, 0.8
            model.layer1[0].residual[3].weight[0, 0, 1, 1] = 0.5
            model.layer2[0].identity[0].weight[0, 0, 0, 0] = 0.4
            model.classifier[0].weight.fill_(1.0)
        seen = {}
        logits = model(torch.ones(1, 1, 1, 1), lambda firing: seen.setdefault(firing.layer, []).append(firing))
        currents = {
            name: [round(firing.current.item(), 6) for firing in steps] for name, steps in seen.items() if name != "output"
        }
        membranes = [round(firing.membrane.item(), 6) for firing in seen["layer1.0.conv2"]]
        self.assertEqual(currents["layer1.0.conv2"], [1.0, 1.5, 1.0])
        # 1 does not fire, 1 + 1.5 fires and leaves 1.5, and 2.5 fires again
        self.assertEqual(membranes, [1.0, 2.5, 2.5])
        self.assertEqual(currents["layer2.0.conv2"], [0.0, 0.4, 0.4])
        self.assertEqual(logits.tolist(), [[0.0, 0.0]])
        self.assertEqual(model.spike_count[4].item(), 2.0)


class Dropout(unittest.TestCase):
    def test_lies_where_the_family_has_it(self):
        for network, layers in (
            (vgg5(10), ["conv2", "linear1", "linear2"]),
            (resnet12(10), ["conv1", "conv2", *(f"layer{layer}.0.conv1" for layer in (1, 2, 3, 4))]),
        ):
            model, asked = spiking_network(network, 2), []

            def mask(name: str, shape: torch.Size, asked: list[str] = asked) -> torch.Tensor:
                asked.append(name)
                return torch.ones(shape)

            model.given_mask = mask
            model(torch.zeros(1, 3, 32, 32))
            self.assertEqual(asked, layers)


class RateCoding(unittest.TestCase):
    def test_a_sample_is_coded_the_same_whatever_its_batch(self):
        together = uniform_steps(5, np.arange(10, 14), 3, 27, 2)
        np.testing.assert_array_equal(together[:, 2], uniform_steps(5, np.array([12]), 3, 27, 2)[:, 0])
        self.assertEqual(len(np.unique(together)), together.size)

    def test_the_mean_over_time_is_the_pixel(self):
        x = torch.tensor([-1.0, -0.25, 0.0, 0.5, 1.0]).double().reshape(1, 1, 1, 5).requires_grad_(True)
        uniform = uniform_steps(0, np.array([0]), 20_000, 5, 0)
        mean = rate_coded(x.detach(), uniform).mean(0).flatten()
        torch.testing.assert_close(mean, x.detach().flatten(), atol=0.02, rtol=0)
        straight_through(x, uniform[:3]).sum().backward()
        self.assertEqual(x.grad.flatten().tolist(), [3.0] * 5)


class Twin(unittest.TestCase):
    def test_keys_are_the_weights_alone(self):
        for network in (vgg5(10), resnet12(10)):
            twin, spiking = Ann(network).state_dict(), spiking_network(network, 1).state_dict()
            weights = {key for key in spiking if not key.startswith(("threshold.", "leak."))}
            self.assertEqual(set(twin), weights)


class Rules(unittest.TestCase):
    def test_ties_go_to_the_smaller_index(self):
        logits = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 2.0, 2.0]])
        labels = torch.tensor([0, 1, 2])
        self.assertEqual(correct(logits, labels).tolist(), [True, False, False])
        self.assertEqual(correct(logits, labels, 2).tolist(), [True, True, True])

    def test_percentile_is_an_element(self):
        self.assertEqual(percentile(torch.arange(1001.0), 0.997), 997.0)


if __name__ == "__main__":
    unittest.main()

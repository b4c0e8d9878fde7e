"""Recurrent layers over padded sequences, against torch's packed sequences."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from audio_lottery.espnet.recurrent import RNN_TYPES, RecurrentStack


@pytest.mark.parametrize("rnn_type", RNN_TYPES)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_values_and_gradients_are_those_of_packed_sequences(rnn_type, bidirectional):
    torch.manual_seed(0)
    stack = RecurrentStack(5, 4, 1, rnn_type, bidirectional, norm=torch.nn.Identity)
    other = RNN_TYPES[rnn_type](5, 4, batch_first=True, bidirectional=bidirectional)
    for own, suffix in ((stack[0].forward_rnn, ""), (stack[0].backward_rnn, "_reverse")):
        for name, weight in own.named_parameters() if own is not None else ():
            getattr(other, name + suffix).data.copy_(weight)
    lengths = torch.tensor([3, 7, 1, 6])
    results = []
    for module in (stack, other):
        x = torch.linspace(-1, 1, 4 * 7 * 5).sin().view(4, 7, 5).requires_grad_()
        if module is stack:
            y = stack(x, lengths)
        else:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            y = pad_packed_sequence(other(packed)[0], batch_first=True)[0].unflatten(2, (-1, 4)).sum(2)
        (y * torch.arange(7.0).view(1, 7, 1)).sum().backward()
        results.append((y.detach(), x.grad, module.get_parameter(
            "0.forward_rnn.weight_hh_l0" if module is stack else "weight_hh_l0").grad))
    torch.testing.assert_close(*results)

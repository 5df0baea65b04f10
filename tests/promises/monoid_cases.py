"""Learned aggregations and their operators: what each keeps, see registry.py."""

import torch
from tests.promises.registry import promise

from erlangen.graphs import BinaryGRU, LCMAggregation, SymmetricMLP


def pairs(generator):
    return (torch.randn(9, 2, 5, generator=generator),)


def messages(generator):
    """Sets of different sizes, one of them empty, one of one element, interleaved."""
    index = torch.tensor([4, 0, 2, 2, 0, 2, 4, 4, 4, 4, 2, 3, 0, 4])
    return torch.randn(len(index), 5, generator=generator), index


@promise
def either_read_into_the_other(generator):
    return BinaryGRU(5), pairs(generator)


@promise
def a_perceptron_of_both(generator):
    return SymmetricMLP(5, 7), pairs(generator)


@promise
def messages_combined_in_the_order_of_their_numbers(generator):
    return LCMAggregation(5, 4, order="sorted"), messages(generator)


@promise
def messages_combined_in_random_order(generator):
    return LCMAggregation(5, 4), messages(generator)

"""What is no set of points is refused in words."""

import pytest
import torch

from erlangen.neighbours.clouds import read_clouds


@pytest.mark.parametrize(
    ("position", "batch", "error", "message"),
    [
        (torch.zeros(3, 2).long(), None, TypeError, r"f\(position\): real floating point numbers, got torch.int64"),
        (torch.zeros(3, 2, dtype=torch.complex64), None, TypeError, "got torch.complex64"),
        (torch.zeros(3), None, ValueError, r"f\(position\): shape \(points, dim\), got \(3,\)"),
        (torch.zeros(3, 0), None, ValueError, r"got \(3, 0\)"),
        (torch.tensor([[0.0], [torch.nan]]), None, ValueError, r"finite coordinates, got \[nan\] at point 1"),
        (torch.tensor([[torch.inf]]), None, ValueError, r"got \[inf\] at point 0"),
        (torch.zeros(3, 2), torch.zeros(3), TypeError, r"f\(batch\): whole numbers, got torch.float32"),
        (torch.zeros(3, 2), torch.zeros(3).bool(), TypeError, r"got torch.bool"),
        (torch.zeros(3, 2), torch.zeros(2).long(), ValueError, r"each of the 3 points, got shape \(2,\)"),
        (torch.zeros(1, 2), torch.tensor([-1]), ValueError, "numbered from 0, got -1"),
    ],
)
def test_messages(position, batch, error, message):
    with pytest.raises(error, match=message):
        read_clouds("f", position, batch)


def test_points_are_read_in_double_precision():
    points, cloud = read_clouds("f", torch.rand(4, 3, requires_grad=True).half(), torch.ones(4, dtype=torch.int32))
    assert points.dtype == "float64" and cloud.dtype == "int64" and cloud.tolist() == [1] * 4

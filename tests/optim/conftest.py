"""What the tests here need around them."""

import pytest

# torch is imported where it is used: without it, the files here are skipped one by one


@pytest.fixture
def numbers_in_double():
    """torch keeps the numbers of a parameter (step, eta, mu_product) in the default type, and in
    float32 they are what a comparison in float64 would see."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def one_thread():
    """torch wakes all of its threads to add three sparse rows, and they spin."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

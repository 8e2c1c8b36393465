"""Threads that train and draw at the same time get what each gets alone."""

from tests.reliability import threads


def test_models_trained_at_once_are_to_the_bit_those_trained_alone():
    assert threads.models(4) == 20


def test_convolutions_in_several_threads_share_the_pool_and_give_blas_its_threads_back():
    threads.split(4)


def test_gradients_of_several_threads_for_one_leaf_all_arrive():
    threads.shared(20)


def test_draws_from_the_default_generator_are_never_lost_or_doubled():
    threads.draws(40)


def test_a_state_is_read_between_two_draws():
    threads.states(40)

"""Layers without state: functions of tensors, under torch's names, one file a family."""

from ...guard import guard
from ...ops.elementwise import sigmoid, tanh
from .activation import (
    celu, elu, gelu, glu, hardsigmoid, hardswish, hardtanh, leaky_relu, log_softmax, logsigmoid, mish, prelu, relu,
    relu6, selu, silu, softmax, softmin, softplus, softsign, tanhshrink, threshold,
)  # fmt: skip
from .attention import scaled_dot_product_attention
from .conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d, fold, unfold
from .distance import cosine_similarity, normalize, pairwise_distance
from .dropout import dropout, dropout1d, dropout2d
from .linear import embedding, linear, one_hot
from .loss import (
    binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, huber_loss, kl_div, l1_loss, mse_loss,
    nll_loss, smooth_l1_loss,
)  # fmt: skip
from .normalization import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from .padding import pad
from .pooling import (
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d, adaptive_max_pool2d, avg_pool1d, avg_pool2d,
    max_pool1d, max_pool2d,
)  # fmt: skip
from .resampling import interpolate, pixel_shuffle, pixel_unshuffle

guard(globals(), (__name__, "minigrad.ops"))

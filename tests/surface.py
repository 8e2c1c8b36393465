"""The names of PyTorch that course code uses, and where the tests use them: python tests/surface.py prints the table."""

import re
import sys
from functools import cache, reduce
from pathlib import Path

HERE = Path(__file__).parent

NAMES = {
    "torch": """
        Generator Size Tensor abs all allclose amax amin any arange argmax argmin argsort as_tensor bernoulli
        bincount bmm broadcast_to bool cat ceil chunk clamp clone cos cuda.is_available cumprod cumsum device diag
        dot einsum empty eq equal erf exp eye flatten flip float16 float32 float64 floor floor_divide from_numpy
        full full_like gather ge gt histc histogram index_select inference_mode int32 int64 is_tensor isclose
        isfinite isinf isnan le lerp linspace load log log10 log1p logical_and logical_not logical_or logsumexp long
        lt manual_seed masked_select matmul max maximum mean min minimum mm movedim mul multinomial ne neg no_grad
        nonzero norm normal ones ones_like outer permute pow prod rand rand_like randint randn randn_like randperm
        remainder repeat_interleave reshape roll round rsqrt save scatter set_grad_enabled set_num_threads sigmoid
        sign sin softmax sort split sqrt square squeeze stack std sub sum t tanh tensor tile topk transpose tril
        triu unbind unique unsqueeze var where zeros zeros_like addmm add div enable_grad get_rng_state
        set_rng_state autograd.grad autograd.backward autograd.gradcheck autograd.gradgradcheck""",
    "torch.Tensor": """
        T abs abs_ add_ all amax amin any argmax argsort backward bernoulli_ bool broadcast_to chunk clamp clamp_
        clamp_max clamp_max_ clamp_min clamp_min_ clone contiguous copy_ cos cpu cumsum data detach detach_ device
        dim div_ dot double dtype eq exp expand expand_as fill_ flatten flip float floor gather ge grad grad_fn gt
        half histc index_select int is_contiguous is_leaf item lerp lerp_ log log10 log1p logsumexp long lt mT
        masked_fill masked_fill_ matmul max mean min mm mul_ multinomial ndim ne nelement new_tensor nonzero norm
        normal_ numel numpy permute pow prod register_hook relu repeat requires_grad requires_grad_ reshape
        retain_grad round scatter_ scatter_add_ shape sigmoid size softmax sort split sqrt squeeze std storage
        stride sub_ sum t tanh to tolist topk transpose tril type unbind uniform_ unsqueeze var view view_as zero_""",
    "torch.nn": """
        AdaptiveAvgPool2d BatchNorm2d Conv1d Conv2d Conv3d
        BCELoss BCEWithLogitsLoss BatchNorm1d CrossEntropyLoss Dropout Dropout2d ELU Embedding Flatten GELU GLU GRU
        GRUCell HuberLoss Identity KLDivLoss L1Loss LSTM LSTMCell LayerNorm LeakyReLU Linear LogSigmoid LogSoftmax
        MSELoss Module ModuleDict ModuleList MultiheadAttention NLLLoss PReLU Parameter ParameterList RNN RNNCell
        ReLU Sequential SiLU Sigmoid SmoothL1Loss Softmax Softplus Tanh TransformerEncoderLayer
        utils.clip_grad_norm_ utils.clip_grad_value_""",
    "torch.nn.Module": """
        add_module apply buffers children cpu eval forward load_state_dict modules named_children named_modules
        named_parameters parameters register_buffer register_forward_hook register_forward_pre_hook
        register_full_backward_hook requires_grad_ state_dict to train zero_grad""",
    "torch.nn.functional": """
        max_pool2d conv2d
        binary_cross_entropy binary_cross_entropy_with_logits cosine_similarity cross_entropy dropout dropout2d elu
        embedding gelu glu huber_loss kl_div l1_loss layer_norm leaky_relu linear log_softmax logsigmoid mse_loss
        nll_loss normalize one_hot prelu relu scaled_dot_product_attention sigmoid silu smooth_l1_loss softmax
        softplus tanh""",
    "torch.nn.init": """
        calculate_gain constant_ eye_ kaiming_normal_ kaiming_uniform_ normal_ ones_ orthogonal_ trunc_normal_
        uniform_ xavier_normal_ xavier_uniform_ zeros_""",
    "torch.optim": """
        Adadelta Adagrad Adam AdamW Lamb RMSprop SGD lr_scheduler.CosineAnnealingLR lr_scheduler.ExponentialLR
        lr_scheduler.LambdaLR lr_scheduler.MultiStepLR lr_scheduler.OneCycleLR lr_scheduler.ReduceLROnPlateau
        lr_scheduler.StepLR""",
    "torch.utils.data": """
        BatchSampler DataLoader Dataset RandomSampler SequentialSampler Subset SubsetRandomSampler TensorDataset
        WeightedRandomSampler random_split""",
}


def names():
    """(module path, name) of every name in the table."""
    return [(module, name) for module, listed in NAMES.items() for name in listed.split()]


def resolve(module, name):
    """What minigrad has under the path of a torch name."""
    import minigrad as mg

    return reduce(getattr, [*module.split(".")[1:], *name.split(".")], mg)


@cache
def sources():
    files = [*HERE.glob("test_*.py"), *HERE.glob("reference/make_*.py")]
    return {file.stem: file.read_text() for file in sorted(files)}


def users(name):
    """The test files in whose text the name stands as a word of its own."""
    word = re.compile(rf"(?<![\w]){re.escape(name.rpartition('.')[2])}(?![\w])")
    return [file for file, text in sources().items() if word.search(text)]


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    for module, name in names():
        resolve(module, name)
        print(f"{module + '.' + name:45}{', '.join(users(name)) or '-'}")

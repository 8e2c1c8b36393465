"""Looking into a network: hooks, statistics over time, what they mean in words, and pictures of them."""

from .animate import animate
from .graph import draw_graph
from .health import Finding, Report, health
from .hooks import Hook, Hooks
from .lsuv import lsuv_
from .plots import (
    dashboard, plot_activations, plot_gradients, plot_histograms, plot_loss, plot_means_and_stds, plot_near_zero,
    plot_saturated_units, plot_saturation, plot_updates, plot_weight_gradients,
)  # fmt: skip
from .record import LayerRecord, ParameterRecord, Record
from .statistics import dead, gini, grad_data_ratio, near_zero, saturated, update_data_ratio
from .style import style
from .summary import summary
from .watch import watch

"""The operations: each file holds forwards on raw arrays beside their derivatives, and torch's names built on them."""

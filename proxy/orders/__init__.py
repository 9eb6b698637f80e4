"""Orders of the upstream, and the activations that clients hold.

Knows `forwarding` and what stands below.
"""

r"""
Learning rates
==============

Gradient descent moves by the *learning rate* :math:`\alpha` times the gradient,

.. math::

    \Theta := \Theta - \alpha D(\Theta).

With a small rate it takes for ever; with a large one it jumps over the minimum and may land
higher than it started. The best rate is large while the cost falls fast, and small near the
minimum: it changes during the fit.
"""

import textwrap
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skbackprop import BackpropClassifier
from skbackprop.solvers import Adam, Adaptive, Cosine, GradientDescent, OneCycle, TimeDecay

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)


def fit(learning_rate):
    """100 steps of batch gradient descent; the network and what it had to complain about."""
    network = BackpropClassifier(
        hidden_layer_sizes=25,
        activation="relu",
        solver=GradientDescent(learning_rate),
        max_iter=100,
        random_state=0,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        network.fit(X, y)
    return network, [str(warning.message) for warning in caught]


def report(networks):
    print(f"{'learning rate':24}{'epochs':>8}{'last J':>12}{'J kept':>10}")
    for name, network in networks.items():
        curve = network.loss_curve_
        print(f"{name:24}{network.n_iter_:8d}{curve[-1]:12.4g}{network.loss_:10.4f}")


# %%
# Constant rates
# --------------

fits = {f"{rate:g}, constant": fit(rate) for rate in (0.01, 0.1, 2.0, 5.0)}
constant = {name: network for name, (network, _) in fits.items()}
report(constant)
assert constant["0.01, constant"].loss_ > constant["0.1, constant"].loss_
assert constant["0.1, constant"].loss_ > constant["2, constant"].loss_

# %%
# With the rate 5 the cost explodes. The fit gives up after ``n_iter_no_change`` epochs without a
# lower J, keeps the best parameters it has seen, here those of the start, and warns. A
# ``ConvergenceWarning`` is worth reading:

diverged, messages = fits["5, constant"]
print("\n".join(textwrap.wrap(messages[0], 80)))
assert "smaller learning rate than 5" in messages[0]
assert diverged.loss_curve_[-1] > 1e6 * diverged.loss_
assert diverged.loss_ < min(diverged.loss_curve_)

# %%
# Rates that change
# -----------------
# ``TimeDecay`` makes the rate smaller whatever happens: :math:`\alpha_t = \alpha_0 / (1 + kt)`
# after t steps. ``Adaptive`` looks at J: each epoch in which it became lower makes the rate a
# little larger, any other halves it.

changing = {
    "5, TimeDecay": fit(TimeDecay(5.0, decay=1.0))[0],
    "5, Adaptive": fit(Adaptive(5.0, growth=1.2))[0],
    "0.01, Adaptive": fit(Adaptive(0.01, growth=1.2))[0],
}
report(changing)

# %%
# Both tame the rate that was too large. The decaying rate is soon too small; the adaptive one
# finds its size from both sides, and from either does as well as the best of the constants
# above, which had to be known.

best = constant["2, constant"].loss_
assert best < changing["5, TimeDecay"].loss_ < constant["0.1, constant"].loss_
assert changing["5, Adaptive"].loss_ < 1.05 * best
assert changing["0.01, Adaptive"].loss_ < 1.05 * best

colors = {"0.01": "tab:blue", "0.1": "tab:purple", "2": "tab:green", "5": "tab:red"}
styles = {"constant": "-", "TimeDecay": "--", "Adaptive": "-."}
fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, networks in zip(axes, (constant, changing), strict=True):
    for name, network in networks.items():
        rate, kind = name.split(", ")
        epochs = np.arange(1, network.n_iter_ + 1)
        ax.semilogy(
            epochs, network.loss_curve_, color=colors[rate], linestyle=styles[kind], label=name
        )
    ax.set(xlabel="epoch", ylim=(0.05, 100))
    ax.legend()
axes[0].set(title="Constant learning rates", ylabel="J")
axes[1].set(title="Rates that change from this start")
plt.show()

# %%
# Rates for a given number of epochs
# ----------------------------------
# Mini-batches never show the whole gradient: with a constant rate the parameters keep jumping
# about the minimum. ``Cosine`` and ``OneCycle`` plan the rate for the epochs there are: far steps
# first, small ones at the end. ``OneCycle`` begins small, too, so that it bears a higher peak.


def fit_epochs(learning_rate):
    """Ten epochs of Adam, J over all rows after each."""
    network = BackpropClassifier(
        hidden_layer_sizes=25,
        activation="relu",
        solver=Adam(learning_rate, batch_size=50, evaluate_every=1),
        max_iter=10,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # ten epochs are all we want
        return network.fit(X, y)


planned = {
    "0.1, constant": fit_epochs(0.1),
    "0.1, Cosine": fit_epochs(Cosine(0.1, warm_up=0.05)),
    "0.1, OneCycle": fit_epochs(OneCycle(0.1)),
}
report(planned)
assert planned["0.1, Cosine"].loss_ < planned["0.1, constant"].loss_
assert planned["0.1, OneCycle"].loss_ < planned["0.1, constant"].loss_

fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
n_steps = 10 * int(np.ceil(len(X) / 50))
for name, network in planned.items():
    style = {"constant": "-", "Cosine": "--", "OneCycle": "-."}[name.split(", ")[1]]
    rate = network.solver.learning_rate
    steps = np.arange(n_steps)
    rates = [rate if rate == 0.1 else rate.after_step(0.0, t, n_steps) for t in steps]
    axes[0].plot(steps, rates, style, label=name)
    axes[1].semilogy(np.arange(1, 11), network.loss_curve_, style, label=name)
axes[0].set(title="The rate", xlabel="step")
axes[1].set(title="J", xlabel="epoch")
axes[1].legend()
plt.show()

r"""
Learning rates
==============

Gradient descent moves by the *learning rate* :math:`\alpha` times the gradient,

.. math::

    \Theta := \Theta - \alpha D(\Theta).

With a small rate it is slow; with a large one it oversteps the minimum and may increase the cost.
The best rate is large while the cost falls fast and small near the minimum, so it changes during
the fit.
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
# With the rate 5 the cost rises sharply. The fit ends after ``n_iter_no_change`` epochs without a
# lower J, keeps the best parameters, here those of the start, and issues a ``ConvergenceWarning``
# with advice:

diverged, messages = fits["5, constant"]
print("\n".join(textwrap.wrap(messages[0], 80)))
assert "smaller learning rate than 5" in messages[0]
assert diverged.loss_curve_[-1] > 1e6 * diverged.loss_
assert diverged.loss_ < min(diverged.loss_curve_)

# %%
# Rates that change
# -----------------
# ``TimeDecay`` decreases the rate in each step: :math:`\alpha_t = \alpha_0 / (1 + kt)` after t
# steps. ``Adaptive`` depends on J: it slightly increases the rate after each epoch in which J
# decreased and halves it after any other.

changing = {
    "5, TimeDecay": fit(TimeDecay(5.0, decay=1.0))[0],
    "5, Adaptive": fit(Adaptive(5.0, growth=1.2))[0],
    "0.01, Adaptive": fit(Adaptive(0.01, growth=1.2))[0],
}
report(changing)

# %%
# Both converge from the rate that was too large. The decaying rate is soon too small. The adaptive
# rate adjusts from too small and from too large an initial value, and reaches as low a cost as the
# best constant above, which had to be found first.

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
# Mini-batches only estimate the gradient: with a constant rate the parameters fluctuate around the
# minimum. ``Cosine`` and ``OneCycle`` plan the rate for a given number of epochs, with large steps
# first and small steps at the end. ``OneCycle`` also begins with small steps, which allows a
# higher peak.


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
        warnings.simplefilter("ignore", ConvergenceWarning)  # the fit ends after ten epochs
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

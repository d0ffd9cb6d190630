import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnable.course.plain import formula, plain

FORMULAS = {
    r"\frac{QK^\top}{\sqrt{d_k}}": "QKᵀ/√dₖ",
    r"-\ln\frac{e}{e+9} \approx 1.46": "−ln e/(e+9) ≈ 1.46",
    r"\lfloor (n + 2p - k)/s \rfloor + 1": "⌊(n + 2p − k)/s⌋ + 1",
    r"16\cdot(6\cdot25 + 1)": "16·(6·25 + 1)",
    r"\sym{query}{Q} \in \mathbb{R}^{n}": "Q ∈ ℝⁿ",
    r"\hat{y}_i = \sigma(w^T x)": "ŷᵢ = σ(wᵀ x)",
    r"10^{-3}": "10⁻³",
    r"e^{-x^2/2}": "e^(−x²/2)",
    r"p_{\text{data}}(x)": "p_(data)(x)",
    r"\mathrm{softmax}\left(\frac{a}{b}\right)V": "softmax(a/b)V",
    r"\partial L/\partial x": "∂L/∂x",
}


@pytest.mark.parametrize("tex", FORMULAS)
def test_a_formula_reads_as_one_would_type_it(tex):
    assert formula(tex) == FORMULAS[tex]


def test_marks_go_and_words_stay():
    assert plain("**Bold**, *leaning*, `a_b * c`, [a link](https://x.y) and snake_case_name") == (
        "Bold, leaning, a_b * c, a link and snake_case_name"
    )
    assert plain("```python\nx = 1  # *not* leaning\n```") == "x = 1  # *not* leaning"
    assert plain(r"costs \$5, and $x_1$") == "costs $5, and x₁"


@pytest.mark.parametrize("tex", [r"x^{", "}}}", "\\", "{" * 5000, r"\frac", r"\sqrt" * 500, "^" * 999, r"\frac{" * 400])
def test_broken_tex_is_text_and_no_error(tex):
    assert isinstance(formula(tex), str)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="\\{}^_$ab1 *`frcsqt\n", max_size=60))
def test_any_text_becomes_text(text):
    assert isinstance(plain(text), str)

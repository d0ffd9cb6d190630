r"""Markdown and mathematics as plain text: for the terminal, for search, for a screen reader.

TeX becomes what one would type in a letter: `$\frac{QK^\top}{\sqrt{d_k}}$` is `QKᵀ/√dₖ`.
"""

import re

SYMBOLS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
    "times": "×", "cdot": "·", "cdots": "⋯", "dots": "…", "ldots": "…", "vdots": "⋮", "pm": "±", "div": "÷", "circ": "∘",
    "odot": "⊙", "otimes": "⊗", "oplus": "⊕", "ast": "∗", "star": "⋆", "bullet": "•",
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "equiv": "≡", "sim": "~",
    "propto": "∝", "ll": "≪", "gg": "≫", "in": "∈", "notin": "∉", "subset": "⊂", "cup": "∪", "cap": "∩", "emptyset": "∅",
    "to": "→", "rightarrow": "→", "leftarrow": "←", "Rightarrow": "⇒", "mapsto": "↦", "leftrightarrow": "↔", "gets": "←",
    "infty": "∞", "partial": "∂", "nabla": "∇", "sum": "Σ", "prod": "Π", "int": "∫", "forall": "∀", "exists": "∃",
    "top": "ᵀ", "prime": "′", "ell": "ℓ", "hbar": "ħ", "Re": "Re", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉",
    "langle": "⟨", "rangle": "⟩", "lVert": "‖", "rVert": "‖", "Vert": "‖", "lvert": "|", "rvert": "|", "mid": " | ", "vert": "|",
    "quad": "  ", "qquad": "    ", "colon": ":", "gtrless": "≷", "neg": "¬", "land": "∧", "lor": "∨", "perp": "⊥",
}  # fmt: skip
MARKS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307", "vec": "\u20d7", "overline": "\u0304"}
UP = dict(
    zip("0123456789+-=()nijkabcdefghlmoprstuvwxyzTᵀ′∗", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱʲᵏᵃᵇᶜᵈᵉᶠᵍʰˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀᵀ′*", strict=True)
)
DOWN = dict(zip("0123456789+-=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))
BOARD = {"R": "ℝ", "N": "ℕ", "Z": "ℤ", "Q": "ℚ", "C": "ℂ", "E": "𝔼", "P": "ℙ"}
STYLES = frozenset({
    "text", "mathrm", "mathbf", "mathit", "mathsf", "mathtt", "mathcal", "mathscr", "boldsymbol", "bm", "operatorname", "textbf",
    "textit", "mbox", "underbrace", "overbrace", "color",
})  # fmt: skip
SILENT = frozenset(
    {"left", "right", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "displaystyle", "textstyle", "limits", "nolimits"}
)
SPACES = {",": " ", ";": " ", ":": " ", "!": "", " ": " "}
DEEPEST = 60  # braces in braces


def plain(text: str) -> str:
    r"""A card's Markdown as plain text.

    >>> plain(r"Why divide by $\sqrt{d_k}$ *before* the `softmax`?")
    'Why divide by √dₖ before the softmax?'
    """
    pieces = re.split(r"(```.*?```|`[^`\n]+`|(?<!\\)\$\$.+?\$\$|(?<!\\)\$[^$\n]+\$)", text, flags=re.S)
    return "".join(_piece(piece) for piece in pieces).strip()


def _piece(piece: str) -> str:
    if piece.startswith("```") and len(piece) > 5:
        return piece[3:-3].partition("\n")[2].rstrip("\n")
    if piece.startswith("`") and len(piece) > 2:
        return piece.strip("`")
    if piece.startswith("$") and piece.endswith("$") and len(piece) > 2:
        return formula(piece.strip("$"))
    piece = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", piece)
    piece = re.sub(r"\*\*(.+?)\*\*|(?<!\w)__(.+?)__(?!\w)", lambda m: m[1] or m[2], piece)
    piece = re.sub(r"\*(?!\s)(.+?)\*|(?<!\w)_(?!\s)(.+?)_(?!\w)", lambda m: m[1] or m[2], piece)
    return re.sub(r"\\([\\`*_{}\[\]()#+.!$-])", r"\1", piece)


def formula(tex: str) -> str:
    r"""TeX as one line of text. What it does not know it leaves as its name.

    >>> formula(r"\frac{1}{n}\sum_{i=1}^{n} x_i^2"), formula(r"\mathbb{E}[\hat y]")
    ('1/n Σᵢ₌₁ⁿ xᵢ²', '𝔼[ŷ]')
    """
    tokens = re.findall(r"\\[A-Za-z]+|\\.|[{}^_]|\s+|[^\\{}^_\s]", tex, flags=re.S)
    out, at = "", 0
    while at < len(tokens):  # more than once only where a brace closes that nobody opened
        more, at = _run(tokens, at, 0)
        out, at = out + more, at + 1
    out = re.sub(r"\s*([∈∉≈≤≥≠→∝≡⇒])\s*", r" \1 ", " ".join(out.split()))
    out = re.sub(r"([⌊⌈⟨(∂∇]) | (?=[⌋⌉⟩)])", r"\1", out)
    return re.sub(r"(?<=\S)([×~·]) ", r"\1", out).strip()


def _run(tokens: list[str], at: int, depth: int) -> tuple[str, int]:
    """Everything up to the brace that closes, and where that is."""
    out = ""
    while at < len(tokens) and tokens[at] != "}":
        more, at = _one(tokens, at, depth)
        if (more[:1] in ("Σ", "Π", "∫", "√") or (more[:1].isalpha() and more[1:2].isalpha())) and (
            out[-1:].isalnum() or out[-1:] == ")"
        ):
            out += " "
        out += more
    return out, at


def _argument(tokens: list[str], at: int, depth: int) -> tuple[str, int]:
    """What a command or a script takes: a group, or one token."""
    while at < len(tokens) and tokens[at].isspace():
        at += 1
    if at >= len(tokens) or tokens[at] == "}":
        return "", at
    if tokens[at] != "{":
        return _one(tokens, at, depth + 1)
    if depth > DEEPEST:
        return "…", len(tokens)
    inside, at = _run(tokens, at + 1, depth + 1)
    return inside.strip(), at + 1


def _one(tokens: list[str], at: int, depth: int) -> tuple[str, int]:
    """One token with all that it takes."""
    token = tokens[at]
    if depth > DEEPEST:
        return "…", len(tokens)
    if token == "{":
        return _argument(tokens, at, depth)
    if token in "^_":
        inside, at = _argument(tokens, at + 1, depth)
        return _script(inside, token), at
    if not token.startswith("\\"):
        return (" " if token.isspace() else {"&": " ", "~": " ", "'": "′", "-": "−"}.get(token, token)), at + 1
    name = token[1:]
    at += 1
    if name == "sym":  # the code's identifier, then the symbol
        _, at = _argument(tokens, at, depth)
        return _argument(tokens, at, depth)
    if name in ("frac", "tfrac", "dfrac"):
        above, at = _argument(tokens, at, depth)
        below, at = _argument(tokens, at, depth)
        after = " " if at < len(tokens) and tokens[at].startswith("\\") else ""
        return f"{_closed(above)}/{_closed(below)}{after}", at
    if name == "sqrt":
        inside, at = _argument(tokens, at, depth)
        return "√" + _closed(inside), at
    if name in ("begin", "end"):
        _, at = _argument(tokens, at, depth)
        return " ", at
    if name in MARKS:
        inside, at = _argument(tokens, at, depth)
        import unicodedata

        return unicodedata.normalize("NFC", inside + MARKS[name]) if len(inside) == 1 else inside, at
    if name == "mathbb":
        inside, at = _argument(tokens, at, depth)
        return "".join(BOARD.get(letter, letter) for letter in inside), at
    if name in STYLES:
        return _argument(tokens, at, depth)
    if name in SILENT:
        return "", at
    if name == "\\":
        return "; ", at
    if name in SYMBOLS or name in SPACES or not name.isalpha():
        return SYMBOLS.get(name, SPACES.get(name, name)), at
    after = tokens[at] if at < len(tokens) else "}"
    return name + (" " if after.isalnum() or after.startswith("\\") else ""), at  # ln x, softmax(x)


def _script(inside: str, kind: str) -> str:
    letters = UP if kind == "^" else DOWN
    typed = inside.replace("−", "-")
    if typed and all(letter in letters for letter in typed):
        return "".join(letters[letter] for letter in typed)
    return kind + (inside if len(inside) == 1 else f"({inside})")


def _closed(inside: str) -> str:
    """In parentheses, unless it reads as one thing without."""
    return inside if re.fullmatch(r"√?[\w.′ᵀ∂∇]+|\([^()]*\)", inside) else f"({inside})"

import re

import pytest

from learnable.serve.page import picture_page, text_page


@pytest.mark.parametrize("page_of", [picture_page, text_page])
def test_it_asks_nobody_else(page_of):
    page, headers = page_of("a run", "about it", "curl http://127.0.0.1/predict")
    assert not re.search(r"(?:src|href)=\"(?!data:,)", page) and "@import" not in page and "url(" not in page
    assert "http" not in page.replace("curl http://127.0.0.1/predict", "")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("page_of", [picture_page, text_page])
def test_script_and_style_are_let_in_by_a_number_used_once(page_of):
    (one, headers), (other, _) = (page_of("a", "b", "c") for _ in range(2))
    found = re.findall(r'<(?:script|style) nonce="([^"]+)"', one)
    assert len(found) == 2 and len(set(found)) == 1 and f"'nonce-{found[0]}'" in headers["Content-Security-Policy"]
    assert found[0] not in other and "unsafe" not in headers["Content-Security-Policy"]
    assert " on" + "click=" not in one and "style=" not in one


def test_words_stay_words():
    page, _ = picture_page('<script>alert("1")</script>', "@nonce@ & more", "it's")
    assert "<script>alert" not in page and "&lt;script&gt;" in page
    assert "@nonce@ &amp; more" in page and "it&#x27;s" in page

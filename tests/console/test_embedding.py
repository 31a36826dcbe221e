import json

from barmill.console.embedding import chart_library, content_hash, embedded_json


def test_embedded_data_can_neither_close_a_script_nor_open_a_comment() -> None:
    value = {"name": "</script><!--<b>&\u2028", "n": [1, None]}
    text = embedded_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_the_chart_library_stays_inside_its_script() -> None:
    assert "</script" not in chart_library()
    assert "<!--" not in chart_library()
    assert "\r" not in chart_library()


def test_a_script_is_allowed_by_its_hash() -> None:
    assert content_hash("alert('Hello, world.');") == "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="

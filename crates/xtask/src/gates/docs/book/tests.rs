use serde_json::json;

use super::{attributes, rewrite_chapters, rewritten};

#[test]
fn links_out_of_the_book_lead_to_the_repository_or_name_the_path() {
    let page = "see [`examples/a`](../examples/a), the [guide](../crates/b/guide.md#x) and [TLS](tls.md)\n";
    let expected = "see `examples/a`, the guide (`crates/b/guide.md#x`) and [TLS](tls.md)\n";
    assert_eq!(rewritten(page, None), expected);
    let expected = "see [`examples/a`](https://r/blob/HEAD/examples/a), the [guide](https://r/blob/HEAD/crates/b/guide.md#x) and [TLS](tls.md)\n";
    assert_eq!(rewritten(page, Some("https://r/")), expected);
}

#[test]
fn every_chapter_is_rewritten_also_one_below_another() {
    let below = json!({"Chapter": {"content": "[x](../x)", "sub_items": []}});
    let mut book = json!({"items": [{"Chapter": {"content": "[y](../y)", "sub_items": [below]}}, "Separator"]});
    rewrite_chapters(&mut book, None);
    assert_eq!(book["items"][0]["Chapter"]["content"], "y");
    assert_eq!(book["items"][0]["Chapter"]["sub_items"][0]["Chapter"]["content"], "x");
}

#[test]
fn attributes_are_read() {
    let html = "<a href=\"a.html#b\" id=\"c\">x</a><img src=\"d.png\"><code>&lt;script src=\"no.js\"&gt;</code>";
    assert_eq!(attributes(html, "src").collect::<Vec<_>>(), ["d.png"]);
    assert_eq!(attributes(html, "href").collect::<Vec<_>>(), ["a.html#b"]);
    assert_eq!(attributes(html, "id").collect::<Vec<_>>(), ["c"]);
}

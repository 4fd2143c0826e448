//! The page of metrics: that the page for operators explains it.

use crate::common::{Running, configuration, send};
use http::Request;
use http_body_util::Full;

async fn page(node: &Running) -> String {
    send(Request::get(format!("{}/metrics", node.internal)).body(Full::default()).unwrap()).await.text
}

#[tokio::test]
async fn every_metric_is_explained_on_the_page_for_operators() {
    let text = include_str!("../../../../docs/operations.md");
    let node = Running::start(configuration("")).await;
    let page = page(&node).await;
    let metrics: Vec<(&str, &str)> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(metrics.len() > 40, "{page}");
    for (name, kind) in metrics {
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let is_explained = [format!("`{name}`"), format!("`{name}{{")].iter().any(|written| text.contains(written));
        assert!(is_explained, "{name}");
    }
    node.stop().await;
}

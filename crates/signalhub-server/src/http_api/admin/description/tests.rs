use super::*;

#[test]
fn every_route_is_described() {
    let document = document();
    for route in ROUTES {
        let operation = &document["paths"][format!("{PREFIX}{}", route.path)][route.method.as_str().to_lowercase()];
        assert!(operation["operationId"].is_string(), "{} {}", route.method, route.path);
        assert!(operations::of(route).is_some(), "{} {}", route.method, route.path);
        let is_free = operation["security"].as_array().unwrap().contains(&json!({}));
        assert_eq!(is_free, route.right == Right::Reading, "{} {}", route.method, route.path);
    }
}

use super::*;

#[test]
fn requests_are_written_as_documented() {
    let check = |request: SubscriptionRequest, json: &str| {
        assert_eq!(serde_json::to_string(&request).unwrap(), json);
        assert_eq!(serde_json::from_str::<SubscriptionRequest>(json).unwrap(), request);
    };
    let request = SubscriptionRequest::new("portos.resources.changed");
    check(request.clone(), r#"{"e":"portos.resources.changed"}"#);
    let request = request.with_resource("tickets", ["created", "deleted"]).with_resource("devices", [""; 0]);
    check(
        request,
        r#"{"e":"portos.resources.changed","r":[{"n":"tickets","a":["created","deleted"]},{"n":"devices"}]}"#,
    );
}

#[test]
fn missing_members_are_read_so_that_a_hub_can_say_what_is_missing() {
    let request: SubscriptionRequest = serde_json::from_str(r#"{"r":[{"a":null}],"x":1}"#).unwrap();
    assert_eq!((request.event, request.resources), (None, Some(vec![SubscriptionRequestResource::default()])));
    let error = serde_json::from_str::<SubscriptionRequest>("7").unwrap_err().to_string();
    assert!(error.starts_with("invalid type: integer `7`, expected an object"), "{error}");
}

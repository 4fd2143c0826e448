use super::*;

const JOB_GUID: &str = "DD6BDDF6-74BA-4BD0-AC48-94A251A8ECA6";

fn message_of(event: &'static str, payload: &str) -> Result<String, String> {
    message(&Event::new(EventName::new(event), payload.to_owned()))
}

#[test]
fn members_go_out_in_the_documented_order_and_values_as_they_came() {
    for (event, payload, expected) in [
        (
            JOB_CHANGED,
            r#" { "Status" : "ReRoute", "EventDate":"2024-05-31T08:30:00Z", "Event":"ReRoute", "JobGUID":"a" }"#,
            r#"{"JobGUID":"a","Event":"ReRoute","EventDate":"2024-05-31T08:30:00Z","Status":"ReRoute"}"#,
        ),
        (
            NEST_CHANGED,
            r#"{"EventDate":"2024-05-31T08:30:00.123+02:00","NestGUID":"b","Event":"Creation","Status":"NestComplete","JobGUID":"a"}"#,
            r#"{"JobGUID":"a","Status":"NestComplete","NestGUID":"b","Event":"Creation","EventDate":"2024-05-31T08:30:00.123+02:00"}"#,
        ),
        (
            DEVICE_CHANGED,
            r#"{"QueueLength":[{"Value":2,"Type":"Sheet"}],"RemainingInks":[{"Level":-1,"InkName":"Cy\u0061n"},{}],"DeviceGUID":"a","Message":"\"é"}"#,
            r#"{"DeviceGUID":"a","Message":"\"é","RemainingInks":[{"InkName":"Cy\u0061n","Level":-1},{}],"QueueLength":[{"Type":"Sheet","Value":2}]}"#,
        ),
        (AUTOMATION_JOB_CHANGED, r#"{"\u004aobGUID":"a"}"#, r#"{"JobGUID":"a"}"#),
    ] {
        let guids = |text: &str| {
            text.replace("\"a\"", &format!("\"{JOB_GUID}\""))
                .replace("\"b\"", "\"8f1d80ab-06d5-43f8-a015-20347d9de22c\"")
        };
        assert_eq!(message_of(event, &guids(payload)), Ok(guids(expected)), "{payload}");
    }
}

#[test]
fn a_wrong_payload_is_refused_with_what_was_expected() {
    let guid = format!("\"JobGUID\":\"{JOB_GUID}\"");
    let device = "\"DeviceGUID\":\"8f1d80ab-06d5-43f8-a015-20347d9de22c\"";
    let a_guid = "a GUID such as \"8f1d80ab-06d5-43f8-a015-20347d9de22c\"";
    for (event, payload, expected) in [
        (JOB_CHANGED, "{}".to_owned(), format!("\"JobGUID\" is missing: expected {a_guid}")),
        (JOB_CHANGED, "{\"JobGUID\":\"1\"}".to_owned(), format!("\"JobGUID\": expected {a_guid}")),
        (JOB_CHANGED, "{\"JobGUID\":7}".to_owned(), format!("\"JobGUID\": expected {a_guid}")),
        (
            JOB_CHANGED,
            format!("{{{guid},\"Status\":\"created\"}}"),
            "\"Status\": expected one of \"Created\", \"ReRoute\"".to_owned(),
        ),
        (
            JOB_CHANGED,
            format!("{{{guid},\"Event\":null}}"),
            "\"Event\": expected one of \"Reprint\", \"ReRoute\", \"ReSubmit\"; leave it out if it is not known"
                .to_owned(),
        ),
        (JOB_CHANGED, format!("{{{guid},\"StatusPrint\":\"Ready\"}}"), "\"StatusPrint\": expected \"\"".to_owned()),
        (
            JOB_CHANGED,
            format!("{{{guid},\"EventDate\":\"yesterday\"}}"),
            "\"EventDate\": expected a date and a time in ISO 8601 such as \"2024-05-31T08:30:00Z\"".to_owned(),
        ),
        (
            JOB_CHANGED,
            format!("{{{guid},\"NestGUID\":\"x\"}}"),
            "\"NestGUID\" is not known: expected JobGUID, StatusRIP, StatusPrint, Event, EventDate, Status".to_owned(),
        ),
        (JOB_CHANGED, format!("{{{guid},{guid}}}"), "\"JobGUID\" is there twice".to_owned()),
        (
            JOB_CHANGED,
            "[]".to_owned(),
            "expected an object: invalid type: sequence, expected an object at line 1 column 0".to_owned(),
        ),
        (
            AUTOMATION_JOB_CHANGED,
            format!("{{{guid},\"Status\":\"Created\"}}"),
            "\"Status\" is not known: expected JobGUID".to_owned(),
        ),
        (
            NEST_CHANGED,
            format!("{{{guid},\"NestGUID\":\"{JOB_GUID}\"}}"),
            "\"Status\" is missing: expected one of \"NestComplete\", \"NestCanceled\", \"NestDeleted\"".to_owned(),
        ),
        (
            DEVICE_CHANGED,
            format!("{{{device},\"Temperature\":1.5}}"),
            "\"Temperature\": expected a whole number".to_owned(),
        ),
        (
            DEVICE_CHANGED,
            format!("{{{device},\"RemainingInks\":{{}}}}"),
            "\"RemainingInks\": expected a list of objects".to_owned(),
        ),
        (
            DEVICE_CHANGED,
            format!("{{{device},\"QueueLength\":[{{\"Type\":\"Area\",\"Value\":1}},{{\"Type\":\"Area\"}}]}}"),
            "\"QueueLength\"[1]: \"Value\" is missing: expected a whole number".to_owned(),
        ),
    ] {
        assert_eq!(message_of(event, &payload), Err(expected), "{payload}");
    }
}

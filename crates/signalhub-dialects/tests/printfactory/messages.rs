//! The messages of the vendor's documents, each with its exact bytes.

use signalhub_dialects::printfactory::{AUTOMATION_JOB_CHANGED, DEVICE_CHANGED, JOB_CHANGED, NEST_CHANGED};

use crate::support::start;

const JOB: &str = "DD6BDDF6-74BA-4BD0-AC48-94A251A8ECA6";
const DEVICE: &str = "8F1D80AB-06D5-43F8-A015-20347D9DE22C";
const NEST: &str = "0d0e7a4e-3f67-4d0e-8a44-6f0b6a1f2c3d";
const DATE: &str = "2024-05-31T08:30:00Z";

#[tokio::test]
async fn each_documented_message_arrives_with_its_exact_bytes() {
    let dialect = start().await;
    let mut client = dialect.connect(&dialect.key("acme", "ann")).await;
    let job = |rest: &str| format!("{{\"JobGUID\":\"{JOB}\"{rest}}}");
    let device = |rest: &str| format!("{{\"DeviceGUID\":\"{DEVICE}\"{rest}}}");
    for (trigger, event, message) in [
        ("job created", JOB_CHANGED, job(",\"Status\":\"Created\"")),
        ("job updated", JOB_CHANGED, job("")),
        ("job status changed", JOB_CHANGED, job("")),
        ("copy added, no journal", JOB_CHANGED, job(",\"StatusRIP\":\"Ready\",\"StatusPrint\":\"\"")),
        ("copy added, journal entry", JOB_CHANGED, job(",\"StatusRIP\":\"Ready\"")),
        ("re-print", JOB_CHANGED, job(&format!(",\"Event\":\"Reprint\",\"EventDate\":\"{DATE}\""))),
        (
            "re-route",
            JOB_CHANGED,
            job(&format!(",\"Event\":\"ReRoute\",\"EventDate\":\"{DATE}\",\"Status\":\"ReRoute\"")),
        ),
        ("re-submit", JOB_CHANGED, job(&format!(",\"Event\":\"ReSubmit\",\"EventDate\":\"{DATE}\""))),
        ("re-send", JOB_CHANGED, job(",\"Status\":\"Created\"")),
        ("device set, sent to RIP", JOB_CHANGED, job("")),
        ("automation job added", AUTOMATION_JOB_CHANGED, job("")),
        ("automation job documents processed", AUTOMATION_JOB_CHANGED, job("")),
        (
            "nester print/cut job created",
            NEST_CHANGED,
            job(&format!(
                ",\"Status\":\"NestComplete\",\"NestGUID\":\"{NEST}\",\"Event\":\"Creation\",\"EventDate\":\"{DATE}\""
            )),
        ),
        ("nest cancelled", NEST_CHANGED, job(&format!(",\"Status\":\"NestCanceled\",\"NestGUID\":\"{NEST}\""))),
        ("nest deleted", NEST_CHANGED, format!("{{\"Status\":\"NestDeleted\",\"NestGUID\":\"{NEST}\"}}")),
        ("device changed, as in the old documents", DEVICE_CHANGED, device("")),
        (
            "device status changed",
            DEVICE_CHANGED,
            device(
                ",\"Status\":\"Printing\",\"Message\":\"Printing 3/10\",\"Temperature\":45,\"ConnectionState\":\"Online\",\
                 \"ConnectionMessage\":\"\",\"RemainingInks\":[{\"InkIndex\":0,\"InkName\":\"Cyan\",\"Level\":412,\"MaxLevel\":500},\
                 {\"InkIndex\":1,\"InkName\":\"Magenta\",\"Level\":-1}],\"QueueLength\":[{\"Type\":\"Length\",\"Value\":1200},\
                 {\"Type\":\"Sheet\",\"Value\":4}]",
            ),
        ),
    ] {
        let receipt = dialect.publish(event, message.as_str(), "acme").await;
        assert_eq!((receipt.matched, client.text().await), (1, message), "{trigger}");
    }
}

#[tokio::test]
async fn every_value_of_an_enum_arrives_as_it_is_spelt() {
    let dialect = start().await;
    let mut client = dialect.connect(&dialect.key("acme", "ann")).await;
    let statuses =
        "Error Idle Offline Aborting Printing Sleeping Calibrating Maintenance Pause NotUsed Hold".split(' ');
    let statuses = statuses.map(|status| format!("{{\"DeviceGUID\":\"{DEVICE}\",\"Status\":\"{status}\"}}"));
    let states = "Unknown Online Offline Unstable".split(' ');
    let states = states.map(|state| format!("{{\"DeviceGUID\":\"{DEVICE}\",\"ConnectionState\":\"{state}\"}}"));
    let lengths = "Unknown Length Area Sheet"
        .split(' ')
        .map(|kind| format!("{{\"DeviceGUID\":\"{DEVICE}\",\"QueueLength\":[{{\"Type\":\"{kind}\",\"Value\":1}}]}}"));
    for message in statuses.chain(states).chain(lengths) {
        dialect.publish(DEVICE_CHANGED, message.as_str(), "acme").await;
        assert_eq!(client.text().await, message);
    }
}

#[tokio::test]
async fn an_event_reaches_its_organisation_alone_and_one_without_organisation_all() {
    let dialect = start().await;
    let mut acme = dialect.connect(&dialect.key("acme", "ann")).await;
    let mut other = dialect.connect(&dialect.key("other", "ann")).await;
    let message = |guid: &str| format!("{{\"JobGUID\":\"{guid}\"}}");
    assert_eq!(dialect.publish(JOB_CHANGED, message(JOB), "acme").await.matched, 1);
    let event = signalhub_events::Event::new(JOB_CHANGED.into(), message(NEST));
    assert_eq!(dialect.broker.publish(event).await.unwrap().matched, 2);
    assert_eq!([acme.text().await, acme.text().await], [message(JOB), message(NEST)]);
    assert_eq!(other.text().await, message(NEST));
}

#[tokio::test]
async fn operators_find_a_listener_by_its_user_with_its_organisation_and_all_events() {
    let dialect = start().await;
    let _client = dialect.connect(&dialect.key("acme", "ann")).await;
    assert_eq!(dialect.publish(JOB_CHANGED, format!("{{\"JobGUID\":\"{JOB}\"}}"), "acme").await.matched, 1);
    let found = dialect.broker.attached_clients(10, |client| client.user.as_deref() == Some("ann")).await;
    let [ann] = &found[..] else { panic!("one subscriber of ann") };
    assert_eq!(ann.scope.organisation().map(|organisation| organisation.as_str()), Some("acme"));
    assert!(ann.client.connection.len() == 22 && ann.filters.len() == 4);
}

#[tokio::test]
async fn events_of_one_name_arrive_in_order_in_a_burst() {
    let dialect = start().await;
    let mut client = dialect.connect(&dialect.key("acme", "ann")).await;
    let message = |number: usize| format!("{{\"JobGUID\":\"{number:08x}-74ba-4bd0-ac48-94a251a8eca6\"}}");
    for number in 0..1000 {
        dialect.publish(JOB_CHANGED, message(number), "acme").await;
    }
    for number in 0..1000 {
        assert_eq!(client.text().await, message(number));
    }
}

//! Arguments that cannot be bound: the error that the client gets, and the warning in the log.

use crate::log::Log;
use crate::support::{Client, failed};
use serde::Deserialize;
use serde_json::{Value, json};
use signalhub::events::Broker;
use signalhub::portos::broker::catalogue;
use signalhub::protocol::Protocol;
use signalhub::{Args, Hub, HubBuilder, Identity, Upload};

#[derive(Deserialize)]
struct Order {
    #[allow(dead_code, reason = "it only has to fit")]
    id: i32,
}

fn hub() -> HubBuilder<()> {
    Hub::builder()
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("Take", async |Args((_, _)): Args<(String, Order)>| Ok(()))
        .method("Sum", async |mut numbers: Upload<i32>| numbers.next().await.unwrap_or(Ok(0)))
        .events(Broker::builder(catalogue()).build())
}

#[tokio::test(start_paused = true)]
async fn the_log_names_the_argument_and_the_method_that_do_not_fit_and_the_reason() {
    for protocol in Protocol::ALL {
        let hub = hub().build();
        let (warnings, _guard) = Log::listen();
        let mut client = Client::connect_speaking(&hub, Identity::user("ann"), protocol).await;
        for (arguments, reason) in [
            (json!(["a", {"id": "x"}]), r#"argument 2: id: invalid type: string "#),
            (json!([1, {"id": 1}]), "argument 1: invalid type: integer `1`, expected a string"),
            (json!(["a"]), "Invocation provides 1 argument(s) but target expects 2."),
        ] {
            client.call("1", "Take", &arguments);
            client.receives([failed("1", "Failed to invoke 'Take' due to an error on the server.")]).await;
            let [line] = warnings.take().try_into().expect("one line for one call");
            assert!(line.contains("method=\"Take\"") && line.contains("skipped=0"), "{line}");
            assert!(line.contains(&reason.replace('"', "\\\"")), "{line}");
        }
        client.call_with("2", "Sum", &["s"]);
        client.item("s", &json!("x"));
        client.next().await;
        let [line] = warnings.take().try_into().expect("one line for one item");
        assert!(line.contains("method=\"Sum\"") && line.contains("invalid type: string"), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn warnings_about_arguments_are_limited_in_number_and_length() {
    let hub = hub().build();
    let (warnings, _guard) = Log::listen();
    let mut client = Client::connect(&hub).await;
    let long = "x".repeat(20_000);
    for _ in 0..100 {
        client.call("1", "Take", &json!(["a", {"id": long}]));
        client.next().await;
    }
    let lines = warnings.take();
    assert!((10..=30).contains(&lines.len()), "{} lines", lines.len());
    assert!(lines.iter().all(|line| line.len() < 500), "{}", lines[0]);
}

#[tokio::test(start_paused = true)]
async fn subscribe_answers_with_what_it_expects_and_logs_no_warning() {
    let expected =
        r#"expected one argument, as {"e": "portos.resources.changed", "r": [{"n": "tickets", "a": ["created"]}]}: "#;
    for protocol in Protocol::ALL {
        let hub = hub().build();
        let (warnings, _guard) = Log::listen();
        let mut client = Client::connect_speaking(&hub, Identity::user("ann"), protocol).await;
        for method in ["Subscribe", "Unsubscribe"] {
            for (arguments, reason) in [
                (json!(["tickets"]), r#"argument 1: invalid type: string "tickets", expected an object"#),
                (json!([null]), "argument 1: invalid type: unit value, expected an object"),
                (json!([]), "Invocation provides 0 argument(s) but target expects 1."),
                (json!([{"e": "x"}, 1]), "Invocation provides 2 argument(s) but target expects 1."),
                (json!([{"e": 5}]), "argument 1: e: invalid type: integer `5`, expected a string"),
                (json!([{"e": "x", "r": "t"}]), r#"argument 1: r: invalid type: string "t", expected a sequence"#),
                (json!([{"e": "x", "r": ["t"]}]), r#"argument 1: r: invalid type: string "t", expected an object"#),
                (
                    json!([{"e": "x", "r": [{"n": 1}]}]),
                    "argument 1: r: n: invalid type: integer `1`, expected a string",
                ),
            ] {
                client.call("1", method, &arguments);
                let text = format!(
                    "Failed to invoke '{method}' due to an error on the server. HubException: {expected}{reason}"
                );
                client.receives([failed("1", &text)]).await;
            }
        }
        assert_eq!(warnings.take(), [""; 0]);
    }
}

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    bench: Arguments,
}

fn plan(line: &str) -> Result<Plan, String> {
    let words = format!("bench {line} --token t --publish-key k");
    let line = Line::try_parse_from(words.split_whitespace()).map_err(|error| error.to_string())?;
    line.bench.plan(&line.sources).map_err(|error| error.to_string())
}

#[test]
fn defaults_are_those_of_the_page() {
    let plan = plan("http://h:1").unwrap();
    assert_eq!(plan.url, "http://h:1/signalr/v1/mainHub");
    assert_eq!((plan.connections.get(), plan.groups.get(), plan.senders.get(), plan.slow), (1000, 1, 4, 0));
    assert_eq!((plan.rate.to_string(), plan.connect_rate.to_string()), ("100/s".to_owned(), "200/s".to_owned()));
    assert_eq!((plan.duration, plan.warm_up), (Duration::from_secs(30), Duration::from_secs(5)));
    let Source::Publish { url, headers, event } = plan.source else { panic!("publishes") };
    assert_eq!((url.as_str(), event.as_str()), ("http://h:1/api/v1/publish", "portos.resources.changed"));
    assert_eq!(headers["x-api-key"], "k");
    assert!(format!("{:?}", plan.join).contains("portos.resources.changed"));
}

#[test]
fn a_share_of_the_connections_is_slow() {
    for (share, slow) in [("0%", 0), ("1%", 1), ("10%", 10), ("0.1%", 1), ("33.3%", 33)] {
        assert_eq!(plan(&format!("http://h --connections 100 --slow {share}")).unwrap().slow, slow, "{share}");
    }
    for share in ["1", "-1%", "100%", "x%", "NaN%"] {
        assert!(plan(&format!("http://h --slow={share}")).is_err(), "{share}");
    }
}

#[test]
fn calls_carry_json_and_texts() {
    let call = |line: &str| format!("{:?}", plan(line).unwrap().source);
    assert!(call("http://h/x --method Broadcast").contains(r#"[\"{payload}\"]"#));
    let text = call(r#"http://h/x --method Send --argument {group} --argument 7 --argument {"a":"{payload}"}"#);
    assert!(text.contains(r#"[\"{group}\",7,{\"a\":\"{payload}\"}]"#), "{text}");
    assert!(plan("http://h/x --method Broadcast").unwrap().join.is_none());
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in [
        "h",
        "ftp://h",
        "http://",
        "http://user:password@h",
        "http://h --connections 0",
        "http://h --rate 100",
        "http://h --expect p99",
        "http://h --transport carrier-pigeon",
        "http://h --transport sse --skip-negotiation",
        "http://h --argument x",
        "http://h --method X --event y",
        "http://h --secret s",
        "http://h --publish-url nonsense",
    ] {
        assert!(plan(line).is_err(), "{line}");
    }
    assert!(!plan("http://user:password@h").unwrap_err().contains("password"));
}

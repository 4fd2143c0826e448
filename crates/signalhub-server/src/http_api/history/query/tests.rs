use signalhub::events::{Epoch, Position, ResourceName};

use super::*;

fn read(query: &str) -> Result<Query, Problem> {
    Query::read(&format!("/api/v1/history{query}").parse().unwrap())
}

#[test]
fn parameters_say_which_events_from_where_on_and_how_many() {
    let all = Filter::new(EventName::new("shop.changed"));
    let earliest = |filter: &Filter, limit| Query { filter: filter.clone(), since: Since::Earliest, limit };
    let tickets = all.clone().with_resource(ResourceName::new("tickets"));
    let position = Since::Position(Position::new(Epoch::new(0xfb0c), 41));
    for (query, expected) in [
        ("?event=shop.changed", earliest(&all, 100)),
        ("?event=shop%2Echanged&since=earliest&limit=0", earliest(&all, 0)),
        ("?limit=1000&event=shop.changed", earliest(&all, 1_000)),
        ("?event=shop.changed&resource=tickets", earliest(&tickets, 100)),
        (
            "?event=shop.changed&resource=tickets&action=deleted",
            earliest(&tickets.clone().with_action(Action::Deleted), 100),
        ),
        ("?event=shop.changed&action=created", earliest(&all.clone().with_action(Action::Created), 100)),
        ("?event=shop.changed&since=000000000000fb0c:41", Query { filter: all.clone(), since: position, limit: 100 }),
        ("?event=shop.changed&since=000000000000fb0c%3A41", Query { filter: all.clone(), since: position, limit: 100 }),
    ] {
        assert_eq!(read(query), Ok(expected), "{query}");
    }
}

#[test]
fn a_bad_parameter_is_refused_with_its_name() {
    let long = format!("?event={}", "x".repeat(257));
    for (query, code, detail) in [
        ("", ProblemCode::InvalidParameter, "event: expected the name of an event, found nothing"),
        ("?event=", ProblemCode::InvalidParameter, "event: expected a name, found an empty text"),
        (&long, ProblemCode::InvalidParameter, "event: a name may have 256 bytes, found 257"),
        ("?event=a&event=a", ProblemCode::InvalidParameter, "event: expected one value, found several"),
        ("?event=a&resource=", ProblemCode::InvalidParameter, "resource: expected a name"),
        ("?event=a&resource=b&resource=c", ProblemCode::InvalidParameter, "resource: expected one value"),
        (
            "?event=a&action=1",
            ProblemCode::InvalidParameter,
            "action: expected created, updated or deleted, found \"1\"",
        ),
        ("?event=a&action=Created", ProblemCode::InvalidParameter, "action: expected"),
        ("?event=a&action=created&action=created", ProblemCode::InvalidParameter, "action: expected one value"),
        ("?event=a&limit=1001", ProblemCode::InvalidParameter, "limit: expected a number up to 1000, found \"1001\""),
        ("?event=a&limit=-1", ProblemCode::InvalidParameter, "limit: expected"),
        ("?event=a&limit=%2B1", ProblemCode::InvalidParameter, "limit: expected"),
        ("?event=a&limit=", ProblemCode::InvalidParameter, "limit: expected"),
        ("?event=a&limit=1e2", ProblemCode::InvalidParameter, "limit: expected"),
        ("?event=a&limit=99999999999999999999999", ProblemCode::InvalidParameter, "limit: expected"),
        ("?event=a&limit=1&limit=1", ProblemCode::InvalidParameter, "limit: expected one value"),
        ("?event=a&Since=earliest", ProblemCode::InvalidParameter, "\"Since\" is no parameter: expected event, since"),
        ("?event=a&access_token=secret", ProblemCode::InvalidParameter, "\"access_token\" is no parameter"),
        ("?event=a&since=", ProblemCode::InvalidPosition, "since: expected \"earliest\" or a position"),
        ("?event=a&since=41", ProblemCode::InvalidPosition, "found \"41\""),
        ("?event=a&since=fb0c:41", ProblemCode::InvalidPosition, "since: expected"),
        ("?event=a&since=FB0CF3B05CDA5E7C:41", ProblemCode::InvalidPosition, "since: expected"),
        ("?event=a&since=000000000000fb0c:-1", ProblemCode::InvalidPosition, "since: expected"),
        ("?event=a&since=000000000000fb0c:99999999999999999999999", ProblemCode::InvalidPosition, "since: expected"),
        ("?event=a&since=Earliest", ProblemCode::InvalidPosition, "since: expected"),
        ("?event=a&since=earliest&since=earliest", ProblemCode::InvalidPosition, "since: expected one value"),
    ] {
        let problem = read(query).unwrap_err();
        assert_eq!(problem.code, code, "{query}");
        assert!(problem.detail.starts_with(detail) || problem.detail.ends_with(detail), "{query}: {}", problem.detail);
        assert!(!problem.detail.contains("secret"));
    }
}

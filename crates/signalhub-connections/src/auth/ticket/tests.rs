use http::Request;

use super::*;

fn request(uri: &str, authorization: Option<&str>) -> Parts {
    let builder = authorization
        .into_iter()
        .fold(Request::builder().uri(uri), |builder, value| builder.header("authorization", value));
    builder.body(()).unwrap().into_parts().0
}

#[test]
fn a_ticket_is_a_prefix_and_43_characters_and_is_not_shown() {
    let (one, other) = (Ticket::random(), Ticket::random());
    assert_ne!(one.reveal(), other.reveal());
    let random = one.reveal().strip_prefix("sht_").unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 32);
    assert_eq!(random.len(), 43);
    assert_eq!(format!("{one:?}"), "Ticket(..)");
    assert_ne!(one.hash(), other.hash());
}

#[test]
fn a_ticket_is_found_where_a_token_is() {
    let ticket = Ticket::random();
    let (text, hash) = (ticket.reveal(), Some(ticket.hash()));
    let header = format!("bearer {text}");
    for (uri, authorization, anywhere, in_header) in [
        ("/", Some(header.as_str()), hash, hash),
        (&format!("/?access_token={text}"), None, hash, None),
        (&format!("/?access_token={text}"), Some("Bearer a.b.c"), None, None),
        ("/?access_token=a.b.c", None, None, None),
        ("/", None, None, None),
        ("/", Some("Bearer SHT_x"), None, None),
        (
            &format!("/?access_token={text}&access_token={text}"),
            None,
            Some(TicketHash::of(&format!("{text},{text}"))),
            None,
        ),
    ] {
        let request = request(uri, authorization);
        assert_eq!(TicketHash::of_request(&request), anywhere, "{uri} {authorization:?}");
        assert_eq!(TicketHash::of_authorization(&request), in_header, "{uri} {authorization:?}");
    }
}

use super::{pascal_case, position};

#[test]
fn names_have_the_form_of_dot_net() {
    for (name, expected) in [
        ("id", "Id"),
        ("ship_to", "ShipTo"),
        ("shipTo", "ShipTo"),
        ("ShipTo", "ShipTo"),
        ("URL", "URL"),
        ("_id", "_id"),
        ("line_2", "Line2"),
        ("@type", "@type"),
        ("größe", "Größe"),
        ("", ""),
    ] {
        assert_eq!(pascal_case(name).collect::<String>(), expected, "{name}");
    }
}

#[test]
fn the_same_name_goes_before_the_one_of_dot_net() {
    for (name, expected) in
        [("a", Some(0)), ("A", Some(1)), ("ShipTo", Some(2)), ("ship_to", Some(2)), ("shipTo", None)]
    {
        assert_eq!(position(name, &["a", "A", "ship_to"]), expected, "{name}");
    }
}

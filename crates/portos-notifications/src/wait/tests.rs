use super::{UnknownWait, Wait};

#[test]
fn each_wait_is_read_from_what_it_is_written_as() {
    for wait in Wait::ALL {
        assert_eq!(wait.to_string().parse(), Ok(wait));
    }
    for text in ["", "Durable", "durable ", "forever"] {
        assert_eq!(text.parse::<Wait>(), Err(UnknownWait), "{text}");
    }
}

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use signalhub_connections::ConnectionId;

use super::{MOST_PER_CLIENT, Questions};
use crate::backplane::{Question, QuestionId, ReturnAddress};

fn question(id: &str) -> Question {
    Question { id: QuestionId::new(id), return_to: ReturnAddress::new(format!("H:internal:return:{id}")) }
}

#[test]
fn a_question_is_open_once_and_until_its_client_answers() {
    let (questions, ann, bob) = (Questions::default(), ConnectionId::new("ann"), ConnectionId::new("bob"));
    assert!(questions.begin(&ann, &question("1")));
    assert!(!questions.begin(&bob, &question("1")));
    assert!(questions.take(&bob, "1").is_err());
    assert_eq!(questions.take(&ann, "2").unwrap(), None);
    assert_eq!(questions.take(&ann, "1").unwrap(), Some(question("1").return_to));
    assert_eq!(questions.take(&ann, "1").unwrap(), None);
    assert!(questions.begin(&bob, &question("1")));
    assert_eq!(questions.end(&ann), []);
    assert_eq!(questions.end(&bob), [question("1")]);
    assert!(questions.is_empty());
}

#[test]
fn the_oldest_question_is_forgotten_when_a_client_has_too_many() {
    let (questions, ann) = (Questions::default(), ConnectionId::new("ann"));
    for number in 0..=MOST_PER_CLIENT {
        assert!(questions.begin(&ann, &question(&number.to_string())));
    }
    assert_eq!(questions.take(&ann, "0").unwrap(), None);
    assert_eq!(questions.end(&ann).len(), MOST_PER_CLIENT);
    assert!(questions.is_empty());
}

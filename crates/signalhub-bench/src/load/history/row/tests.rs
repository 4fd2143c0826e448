use super::*;

#[test]
fn the_table_shows_each_kind_of_history_and_whether_the_goal_is_met() {
    let cost = Row::new("H2", "a publish", "µs").off(50.0).disk(81.5).beside("31.5 more".to_owned());
    let rows = [cost.clone().goal("≤ off + 30", false), Row::new("H2", "another", "µs").memory(0.5)];
    let judged = table(&rows, Judgement::ByGoals);
    let lines: Vec<&str> = judged.lines().collect();
    assert_eq!(lines[2], "| H2 a publish |   µs | 50.0 |        | 81.5 | 31.5 more | ≤ off + 30 | missed |");
    assert_eq!(lines[3], "| H2 another   |   µs |      |   0.50 |      |           |            |        |");
    assert!(table(&rows, Judgement::None).contains("| ≤ off + 30 | not judged |"));
}

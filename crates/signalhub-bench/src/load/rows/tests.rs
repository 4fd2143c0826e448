use super::*;

#[test]
fn the_table_shows_each_configuration_and_whether_the_goal_is_met() {
    let cost = Row::new("H2", "a publish", "µs").value("off", 50.0).value("disk", 81.5).beside("31.5 more".to_owned());
    let rows = [cost.clone().goal("≤ off + 30", false), Row::new("H2", "another", "µs").value("memory", 0.5)];
    let table = |judgement| table(&rows, &["off", "memory", "disk"], judgement);
    let judged = table(Judgement::ByGoals);
    let lines: Vec<&str> = judged.lines().collect();
    assert_eq!(lines[2], "| H2 a publish |   µs | 50.0 |        | 81.5 | 31.5 more | ≤ off + 30 | missed |");
    assert_eq!(lines[3], "| H2 another   |   µs |      |   0.50 |      |           |            |        |");
    assert!(table(Judgement::None).contains("| ≤ off + 30 | not judged |"));
}

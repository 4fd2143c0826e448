use super::{Task, task};

#[test]
fn the_command_line_selects_gates_in_their_own_order() {
    let names = |line: &str| match task(line.split_whitespace().map(str::to_owned))? {
        Task::Test(gates) => Ok(gates.iter().map(|gate| gate.name).collect::<Vec<_>>().join(" ")),
        Task::Prepare(gate) => Ok(format!("prepare {}", gate.name)),
        Task::Help => Ok("help".to_owned()),
        Task::Bench(options) => Ok::<_, String>(format!("bench {}", options.join(" "))),
        Task::Faults(options) => Ok(format!("{options:?}")),
        Task::Dist(_) => Ok("dist".to_owned()),
        Task::Checklist => Ok("checklist".to_owned()),
        Task::BookLinks(arguments) => Ok(format!("book-links {arguments:?}")),
    };
    assert_eq!(names("test --only js --only fmt"), Ok("fmt js".to_owned()));
    assert_eq!(
        names("test").as_deref(),
        Ok(
            "fmt clippy features docs tests tidy deny differential conformance dist js cluster java python printfactory smc prometheus fuzz bench"
        )
    );
    assert_eq!(names("bench --only churn"), Ok("bench --only churn".to_owned()));
    assert_eq!(names("prepare fuzz"), Ok("prepare fuzz".to_owned()));
    assert!(names("faults --kills 3").is_ok_and(|options| options.starts_with("Options { kills: 3, seed: 20,")));
    assert_eq!(names("dist --twice"), Ok("dist".to_owned()));
    assert_eq!(names("release --check"), Ok("checklist".to_owned()));
    for line in ["--help", "-h", "help", "test --help", "test -h"] {
        assert_eq!(names(line).as_deref(), Ok("help"), "{line}");
    }
    for line in [
        "",
        "measure",
        "test fmt",
        "test --only",
        "test --only no-such-gate",
        "faults 3",
        "dist z80",
        "release",
        "prepare",
        "prepare no-such-gate",
        "prepare js fuzz",
    ] {
        assert!(names(line).is_err(), "{line}");
    }
}

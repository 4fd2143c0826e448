use super::*;

#[path = "../../../../tests/common/terminal.rs"]
#[cfg(target_os = "linux")]
mod terminal;

#[test]
fn without_colours_lines_have_attributes_alone() {
    let written = |style, colours| {
        let mut out = Vec::new();
        write_line(&mut out, &Line { text: "a".to_owned(), style }, 3, colours).unwrap();
        String::from_utf8(out).unwrap()
    };
    for style in [Style::Plain, Style::Title, Style::Heading, Style::Quiet, Style::Warning, Style::Alarm] {
        let plain = written(style, Colours::None);
        assert!(plain.contains("a  ") && !plain.contains("\x1b[3"), "{plain:?}");
    }
    assert!(
        written(Style::Alarm, Colours::Some).contains("\x1b[38;5;9m"),
        "{:?}",
        written(Style::Alarm, Colours::Some)
    );
}

/// Runs in a process of its own, in the terminal of the next test.
#[test]
#[ignore = "needs a terminal: the next test gives it one"]
fn panics_in_a_terminal() {
    let _terminal = Terminal::enter(Colours::None).unwrap();
    thread::spawn(|| panic!("a panic that can be read")).join().unwrap_err();
    panic!("another one");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_panic_gives_the_terminal_back_before_it_is_reported() {
    let mut terminal = terminal::PseudoTerminal::open(24, 80);
    let before = terminal.modes();
    let own = std::env::current_exe().unwrap();
    let name = "commands::top::terminal::tests::panics_in_a_terminal";
    let arguments = ["--exact", name, "--ignored", "--nocapture"];
    let mut child = terminal.start(own.to_str().unwrap(), &arguments, &[]);
    terminal.shows(|screen| screen.contains("another one")).await;
    assert!(!child.wait().await.unwrap().success());
    terminal.shows(|screen| screen.contains("a panic that can be read")).await;
    assert!(terminal.was_in_alternate_screen);
    assert!(!terminal.screen().alternate_screen() && !terminal.screen().hide_cursor());
    assert_eq!(terminal.modes(), before);
}

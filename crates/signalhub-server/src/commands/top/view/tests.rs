use super::*;

const EXTENT: Extent = Extent { rows: 25, height: 10 };

fn press(view: &mut View, key: KeyCode) -> Step {
    view.press(KeyEvent::new(key, KeyModifiers::NONE), EXTENT)
}

fn type_text(view: &mut View, text: &str) {
    for char in text.chars() {
        press(view, KeyCode::Char(char));
    }
}

#[test]
fn q_escape_and_control_c_quit() {
    for key in [KeyCode::Char('q'), KeyCode::Esc] {
        assert_eq!(press(&mut View::new(Column::Queued), key), Step::Quit);
    }
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    for before in ['x', '?', '/'] {
        let mut view = View::new(Column::Queued);
        press(&mut view, KeyCode::Char(before));
        assert_eq!(view.press(control_c, EXTENT), Step::Quit, "after {before}");
    }
}

#[test]
fn arrows_choose_the_sorted_column_and_r_turns_the_order() {
    let mut view = View::new(Column::User);
    press(&mut view, KeyCode::Left);
    assert_eq!(view.sort.column, Column::Age);
    press(&mut view, KeyCode::Char('r'));
    assert_eq!(view.sort.direction, Direction::Reversed);
    press(&mut view, KeyCode::Right);
    assert_eq!(view.sort, Sort { column: Column::User, direction: Direction::Natural });
}

#[test]
fn scrolling_stays_within_the_rows() {
    let mut view = View::new(Column::User);
    let mut offsets = Vec::new();
    for key in [
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::PageDown,
        KeyCode::PageDown,
        KeyCode::Down,
        KeyCode::PageUp,
        KeyCode::Home,
        KeyCode::End,
    ] {
        press(&mut view, key);
        offsets.push(view.offset);
    }
    assert_eq!(offsets, [0, 1, 11, 15, 15, 5, 0, 15]);
    view.scroll_to(view.offset, Extent { rows: 3, height: 10 });
    assert_eq!(view.offset, 0);
}

#[test]
fn a_filter_counts_once_it_is_entered() {
    let mut view = View::new(Column::User);
    type_text(&mut view, "/bobq");
    press(&mut view, KeyCode::Backspace);
    assert_eq!(view.filter, Filter::default());
    press(&mut view, KeyCode::Enter);
    assert_eq!((view.filter.text(), &view.mode), ("bob", &Mode::Table));

    type_text(&mut view, "/ x=1");
    press(&mut view, KeyCode::Enter);
    assert!(matches!(&view.mode, Mode::Prompt { problem: Some(FilterError::UnknownName(_)), .. }), "{view:?}");
    press(&mut view, KeyCode::Esc);
    assert_eq!((view.filter.text(), &view.mode), ("bob", &Mode::Table));
}

#[test]
fn a_key_leaves_the_help_and_does_nothing_else() {
    let mut view = View::new(Column::User);
    press(&mut view, KeyCode::Char('?'));
    assert_eq!(view.mode, Mode::Help);
    assert_eq!(press(&mut view, KeyCode::Char('q')), Step::Continue);
    assert_eq!(view.mode, Mode::Table);
}

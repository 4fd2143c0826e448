//! The figures for people: a table, and a picture.

use std::fmt::Write;

use super::figures::Figure;

/// Whether a table says which goals are met.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    ByGoals,
    None,
}

/// A table in Markdown that is readable as text.
pub(super) fn table(figures: &[Figure], judgement: Judgement) -> String {
    let header = ["", "unit", "signalhub", "raw", "of raw", "other", "of other", "goal", ""].map(str::to_owned);
    let mut rows = vec![header.clone(), header.map(|_| "-".to_owned())];
    for figure in figures {
        let ratio = |other: Option<f64>| other.map(|other| format!("{:.2}", other / figure.ours)).unwrap_or_default();
        let (goal, verdict) = match &figure.goal {
            Some(goal) if judgement == Judgement::None => (format!("{} {}", goal.id, goal.text), "not judged"),
            Some(goal) => {
                (format!("{} {}", goal.id, goal.text).trim().to_owned(), if goal.met { "met" } else { "missed" })
            }
            None => (String::new(), ""),
        };
        rows.push([
            figure.name.clone(),
            figure.unit.to_owned(),
            number(figure.ours),
            figure.raw.map(number).unwrap_or_default(),
            ratio(figure.raw),
            figure.reference.map(number).unwrap_or_default(),
            ratio(figure.reference),
            goal,
            verdict.to_owned(),
        ]);
    }
    aligned(&rows)
}

/// Rows in Markdown, with columns of equal width.
pub(crate) fn aligned(rows: &[impl AsRef<[String]>]) -> String {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.as_ref().len()), 0);
        let lengths = row.as_ref().iter().map(|cell| cell.chars().count());
        widths.iter_mut().zip(lengths).for_each(|(width, length)| *width = length.max(*width));
    }
    let mut table = String::new();
    for row in rows {
        for (column, cell) in row.as_ref().iter().enumerate() {
            let width = widths[column];
            // Writing to a string cannot fail.
            let _ = if column == 0 { write!(table, "| {cell:<width$} ") } else { write!(table, "| {cell:>width$} ") };
        }
        table.push_str("|\n");
    }
    table
}

pub(crate) fn number(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

const BAR: f64 = 420.0;
const ROW: usize = 46;

/// Bars for the figures that both servers have and of which less is better, the other server's with full length.
pub(super) fn picture(figures: &[Figure], other: &str) -> String {
    let both: Vec<(&Figure, f64)> = figures
        .iter()
        .filter(|figure| figure.unit != "/s")
        .filter_map(|figure| figure.reference.map(|reference| (figure, reference)))
        .collect();
    let height = 40 + both.len() * ROW;
    let other = other.replace('&', "&amp;").replace('<', "&lt;");
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"22\" fill=\"#333\">signalhub (green) beside {other} (grey): less is better</text>\n"
    );
    for (row, (figure, reference)) in both.iter().enumerate() {
        let top = 40 + row * ROW;
        let longest = figure.ours.max(*reference);
        let (name, unit) = (&figure.name, figure.unit);
        let _ = writeln!(svg, "<text x=\"10\" y=\"{}\" fill=\"#333\">{name}</text>", top + 20);
        for (offset, value, colour) in [(4, figure.ours, "#17804d"), (20, *reference, "#b8bec4")] {
            let (width, at) = (value / longest * BAR, top + offset);
            let _ = writeln!(svg, "<rect x=\"390\" y=\"{at}\" width=\"{width:.1}\" height=\"14\" fill=\"{colour}\"/>");
            let (x, y) = (395.0 + width, at + 12);
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y}\" fill=\"#333\" font-size=\"11\">{} {unit}</text>",
                number(value)
            );
        }
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::super::figures::Goal;
    use super::*;

    fn figure() -> Figure {
        let goal = Some(Goal { id: "G1", text: "≥ 0.90 of raw", met: true });
        Figure { name: "cost".to_owned(), unit: "µs", ours: 2.5, raw: Some(2.4), reference: Some(25.0), goal }
    }

    #[test]
    fn the_table_shows_ratios_and_verdicts() {
        let table =
            table(&[figure(), Figure { raw: None, reference: None, goal: None, ..figure() }], Judgement::ByGoals);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[2], "| cost |   µs |      2.50 | 2.40 |   0.96 |  25.0 |    10.00 | G1 ≥ 0.90 of raw | met |");
        assert_eq!(lines.len(), 4);
        let unjudged = super::table(&[figure()], Judgement::None);
        assert!(unjudged.contains("not judged") && !unjudged.contains(" met "), "{unjudged}");
    }

    #[test]
    fn the_picture_has_two_bars_for_a_figure_of_both() {
        let picture = picture(&[figure(), Figure { reference: None, ..figure() }], "A & B");
        assert_eq!(picture.matches("<rect x=").count(), 2);
        assert!(picture.contains("signalhub (green) beside A &amp; B (grey)"), "{picture}");
        assert!(picture.contains(r#"width="42.0""#) && picture.ends_with("</svg>\n"), "{picture}");
    }
}

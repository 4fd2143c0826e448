//! `signalhub connections` and `signalhub disconnect`.

use std::collections::BTreeSet;
use std::io::{self, Write};

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::commands::admin_client::{AdminArguments, AdminClient, percent_encoded};
use crate::commands::error::CommandError;
use crate::commands::sources::Sources;
use crate::log::escaped_lines;

/// How many rows a request asks for.
const PAGE: usize = 1_000;

/// The longest cell of a table, in characters.
const LONGEST_CELL: usize = 40;

/// The members of a connection that are shown, with their titles. The node is left out where there is no cluster.
const COLUMNS: [(&str, &str); 12] = [
    ("id", "ID"),
    ("node", "NODE"),
    ("user", "USER"),
    ("organisation", "ORG"),
    ("transport", "TRANSPORT"),
    ("protocol", "PROTOCOL"),
    ("address", "ADDRESS"),
    ("since", "SINCE"),
    ("subscriptions", "SUBS"),
    ("deliveries", "DELIVERIES"),
    ("sent", "SENT"),
    ("queued_bytes", "QUEUED"),
];

/// Which connections: those that match every one that is given.
#[derive(Debug, Args)]
struct SelectionArguments {
    /// Only connections of this user
    #[arg(long)]
    user: Option<String>,
    /// Only connections of this organisation
    #[arg(long)]
    organisation: Option<String>,
    /// Only clients that have subscribed to this event
    #[arg(long)]
    event: Option<String>,
}

impl SelectionArguments {
    /// The names of the server and what was given for them.
    fn named(&self) -> [(&'static str, Option<&String>); 3] {
        let Self { user, organisation, event } = self;
        [("user", user.as_ref()), ("organisation", organisation.as_ref()), ("event", event.as_ref())]
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Only connections with this transport: web_sockets, server_sent_events or long_polling
    #[arg(long)]
    transport: Option<String>,
    /// Only connections with more than a quarter of their limit queued
    #[arg(long)]
    slow: bool,
    /// Only connections of the node of a cluster with this name
    #[arg(long)]
    node: Option<String>,
    /// What comes first: age, queued, sent or subscriptions
    #[arg(long)]
    sort: Option<String>,
    /// How many connections at most
    #[arg(long, default_value = "100")]
    limit: usize,
    /// Prints one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DisconnectArguments {
    /// The public id of one connection
    #[arg(conflicts_with_all = ["user", "organisation", "event", "over"], allow_hyphen_values = true)]
    id: Option<String>,
    #[command(flatten)]
    selection: SelectionArguments,
    /// Lets the clients reconnect by themselves: the default, but not with an ID
    #[arg(long)]
    reconnect: bool,
    /// Tells the clients not to reconnect: the default with an ID
    #[arg(long, conflicts_with = "reconnect")]
    no_reconnect: bool,
    /// The time over which they are disconnected one after another, such as 30s
    #[arg(long)]
    over: Option<String>,
    /// A text for the clients
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
}

impl DisconnectArguments {
    /// Whether the clients may reconnect; `None` leaves it to the server.
    fn reconnect(&self) -> Option<bool> {
        match (self.reconnect, self.no_reconnect) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }
}

#[derive(Deserialize)]
struct Page {
    value: Vec<Map<String, Value>>,
    next: Option<String>,
    /// The nodes of a cluster that did not answer.
    #[serde(default)]
    missing: Vec<String>,
}

#[derive(Deserialize)]
struct Matched {
    matched: u64,
    #[serde(default)]
    missing: Vec<String>,
}

/// Tells which nodes of a cluster did not answer.
fn warn_of_missing(nodes: &[String]) {
    if !nodes.is_empty() {
        eprintln!("warning: without the connections of nodes that did not answer: {}", nodes.join(", "));
    }
}

/// Lists connections.
pub(crate) async fn list(sources: &Sources, arguments: &ListArguments) -> Result<(), CommandError> {
    let client = arguments.admin.client(sources)?;
    let rows = rows(&client, arguments).await?;
    let text = match arguments.json {
        true => rows.into_iter().map(|row| Value::Object(row).to_string() + "\n").collect(),
        false => table(&rows),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::no(error)),
        _ => Ok(()),
    }
}

/// Reads pages until there are as many rows as wanted, or no more.
async fn rows(client: &AdminClient, arguments: &ListArguments) -> Result<Vec<Map<String, Value>>, CommandError> {
    let (mut rows, mut after, mut missing) = (Vec::new(), None, BTreeSet::new());
    while rows.len() < arguments.limit {
        let mut query = vec![("limit", (arguments.limit - rows.len()).min(PAGE).to_string())];
        let others = [
            ("transport", arguments.transport.as_ref()),
            ("node", arguments.node.as_ref()),
            ("sort", arguments.sort.as_ref()),
            ("after", after.as_ref()),
        ];
        let given = arguments.selection.named().into_iter().chain(others);
        query.extend(given.filter_map(|(name, value)| Some((name, value?.clone()))));
        query.extend(arguments.slow.then(|| ("slow", "true".to_owned())));
        let page: Page = client.get("connections", &query).await?;
        rows.extend(page.value);
        missing.extend(page.missing);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    warn_of_missing(&missing.into_iter().collect::<Vec<_>>());
    Ok(rows)
}

/// Ends connections.
pub(crate) async fn disconnect(sources: &Sources, arguments: &DisconnectArguments) -> Result<(), CommandError> {
    let DisconnectArguments { id, selection, over, reason, admin, .. } = arguments;
    let reconnect = arguments.reconnect();
    let client = admin.client(sources)?;
    let text = if let Some(id) = id {
        let mut query: Vec<_> = reconnect.iter().map(|reconnect| ("reconnect", reconnect.to_string())).collect();
        query.extend(reason.iter().map(|reason| ("reason", reason.clone())));
        client.delete(&format!("connections/{}", percent_encoded(id)), &query).await?;
        "1 connection is told to end\n".to_owned()
    } else {
        if selection.named().iter().all(|(_, value)| value.is_none()) {
            return Err(CommandError::Usage("expected an ID, --user, --organisation or --event".to_owned()));
        }
        let mut body = Map::new();
        let given = selection.named().into_iter().chain([("over", over.as_ref()), ("reason", reason.as_ref())]);
        body.extend(given.filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
        body.extend(reconnect.map(|reconnect| ("reconnect".to_owned(), json!(reconnect))));
        let Matched { matched, missing } = client.post("connections:disconnect", &body).await?;
        warn_of_missing(&missing);
        match matched {
            1 => "1 connection is told to end\n".to_owned(),
            count => format!("{count} connections are told to end\n"),
        }
    };
    io::stdout().write_all(text.as_bytes()).map_err(CommandError::no)
}

/// Writes rows below titles. What cannot be seen is escaped, because clients choose names; long names are cut.
fn table(rows: &[Map<String, Value>]) -> String {
    let has_nodes = rows.iter().any(|row| row.contains_key("node"));
    let columns: Vec<_> = COLUMNS.into_iter().filter(|(name, _)| has_nodes || *name != "node").collect();
    let titles = columns.iter().map(|(_, title)| (*title).to_owned()).collect();
    let cells = |row: &Map<String, Value>| columns.iter().map(|(name, _)| cell(row.get(*name))).collect();
    let lines: Vec<Vec<String>> = std::iter::once(titles).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let written = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(written).collect()
}

fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => escaped_lines(text).replace('\n', "\\n"),
        Some(other) => other.to_string(),
    };
    match text.char_indices().nth(LONGEST_CELL) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_connection_whatever_its_names_are() {
        let hostile = "a\n\u{1b}[31m\u{202e}<b>".to_owned() + &"x".repeat(100);
        let row = json!({"id": "c1", "user": hostile, "sent": 12, "organisation": null});
        let Value::Object(row) = row else { panic!("an object") };
        let text = table(&[row.clone(), row]);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.starts_with("ID  USER"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 200), "{text}");
    }
}

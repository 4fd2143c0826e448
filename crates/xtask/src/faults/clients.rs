//! The official clients that are programs of their own.

use std::fs;
use std::io;
use std::process::Command;

use crate::gates::{java, python};
use crate::workspace::Workspace;

/// The clients in Java and Python.
pub(crate) struct Clients {
    /// One for each way to connect, with its title.
    installed: Vec<(String, Command)>,
    /// Many at once in each way, with the titles of their libraries.
    crowds: Vec<(String, Command)>,
    /// Which cannot run here, and why.
    pub(crate) missing: Vec<&'static str>,
}

impl Clients {
    /// Compiles and installs them.
    pub(crate) fn prepare(workspace: &Workspace) -> io::Result<Self> {
        let mut clients = Self { installed: Vec::new(), crowds: Vec::new(), missing: Vec::new() };
        let folder = workspace.root.join("protocol-tests/clients");
        let pom = fs::read_to_string(folder.join("java/pom.xml"))?;
        let version = between(&pom, "<artifactId>signalr</artifactId>", "<version>", "</version>");
        for (way, transport) in [("WebSockets, JSON", "WEBSOCKETS"), ("long polling, JSON", "LONG_POLLING")] {
            let title = format!("com.microsoft.signalr {version} (Java): {way}");
            let missing = "the Java client, because Java or Maven is missing";
            clients.add(title, java::ledger(workspace, transport)?, missing);
        }
        clients
            .crowds
            .extend(java::crowd(workspace)?.map(|crowd| (format!("com.microsoft.signalr {version} (Java)"), crowd)));
        let requirements = fs::read_to_string(folder.join("python/requirements.txt"))?;
        let version = between(&requirements, "pysignalr", "==", "\n");
        for (way, protocol) in [("WebSockets, JSON", "json"), ("WebSockets, MessagePack", "messagepack")] {
            let title = format!("pysignalr {version} (Python): {way}");
            let missing = "the Python client, because Python is missing";
            clients.add(title, python::ledger(workspace, protocol)?, missing);
        }
        clients.crowds.extend(python::crowd(workspace)?.map(|crowd| (format!("pysignalr {version} (Python)"), crowd)));
        clients.missing.dedup();
        Ok(clients)
    }

    /// Names them on the command line of a program that starts them.
    pub(crate) fn name(&self, workspace: &Workspace, command: &mut Command) {
        let clients = self.installed.iter().map(|client| ("--client", client));
        for (kind, (title, client)) in clients.chain(self.crowds.iter().map(|crowd| ("--crowd", crowd))) {
            let folder = client.get_current_dir().unwrap_or(&workspace.root);
            command.arg(kind).arg(title).arg(folder).arg(client.get_program()).args(client.get_args());
        }
    }

    fn add(&mut self, title: String, client: Option<Command>, missing: &'static str) {
        match client {
            Some(client) => self.installed.push((title, client)),
            None => self.missing.push(missing),
        }
    }
}

/// What stands in a text behind `place` between two marks; nothing if they are not there.
fn between<'a>(text: &'a str, place: &str, begin: &str, end: &str) -> &'a str {
    let behind = |text: &'a str, mark: &str| text.split_once(mark).map(|(_, rest)| rest);
    let found = behind(text, place).and_then(|rest| behind(rest, begin));
    found.and_then(|rest| rest.split(end).next()).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_clients_are_read_from_the_files_of_their_packages() {
        let pom = "<version>0.0.0</version><artifactId>signalr</artifactId>\n<version>9.0.3</version>";
        assert_eq!(between(pom, "<artifactId>signalr</artifactId>", "<version>", "</version>"), "9.0.3");
        assert_eq!(between("pysignalr==1.3.3\n", "pysignalr", "==", "\n"), "1.3.3");
        assert_eq!(between("other", "pysignalr", "==", "\n"), "");
    }
}

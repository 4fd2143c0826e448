//! Real Redis servers for tests.

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// A `redis-server` on a loopback port of its own, without persistence unless its arguments ask for it. It ends when this is dropped.
#[derive(Debug)]
pub struct TestServer {
    process: Child,
    port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
    /// The user and the password in its URL, with `@`; or nothing.
    user: &'static str,
}

impl TestServer {
    /// Starts a server. Returns `None`, and says that the test was not run, if `redis-server` is not installed.
    ///
    /// # Panics
    /// When the server is installed but does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// As [`start`](Self::start), with further arguments on its command line.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with(arguments: &[&str]) -> Option<Self> {
        let own = ["--save", "", "--appendonly", "no"];
        Self::started(&own.iter().chain(arguments).map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    /// As [`start`](Self::start), with the user that `docs/cluster.md` names for a cluster with the default prefix and hub. Its URL is
    /// for this user.
    ///
    /// # Panics
    /// As [`start`](Self::start), and when the page names no user.
    #[must_use]
    pub fn for_documented_user() -> Option<Self> {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cluster.md");
        let page = std::fs::read_to_string(page).expect("the page about the cluster");
        let rules = page.lines().find_map(|line| line.strip_prefix("ACL SETUSER ")).expect("the page has a user");
        let rules: Vec<&str> = rules.split(' ').collect();
        assert_eq!(rules.first(), Some(&"signalhub"), "the user's name");
        let mut server = Self::with(&[&["--user"], &*rules].concat())?;
        server.user = "signalhub:PASSWORD@";
        Some(server)
    }

    fn started(arguments: &[String]) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("signalhub-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a folder in the temporary directory");
        let arguments = arguments.to_vec();
        // Another process may take the free port before the server does.
        for _ in 0..20 {
            let port = free_port();
            match spawn(port, &directory, &arguments) {
                Ok(Some(process)) => return Some(Self { process, port, directory, arguments, user: "" }),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    drop(std::fs::remove_dir_all(&directory));
                    eprintln!("not run: redis-server is not installed");
                    return None;
                }
                Err(error) => panic!("redis-server cannot be run: {error}"),
            }
        }
        panic!("redis-server does not start");
    }

    /// Starts a sentinel that watches a primary: the arguments of `sentinel monitor`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn sentinel(monitor: &str) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // The sentinel keeps its state in its configuration file.
        let file = std::env::temp_dir().join(format!("signalhub-sentinel-{}-{number}.conf", std::process::id()));
        std::fs::write(&file, format!("sentinel monitor {monitor}\n")).expect("a file in the temporary directory");
        Self::started(&[file.display().to_string(), "--sentinel".to_owned()])
    }

    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}127.0.0.1:{}", self.user, self.port)
    }

    /// The port of the server.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The id of its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Stops the process without ending it: its sockets stay open, and it answers nothing until [`go_on`](Self::go_on).
    ///
    /// # Panics
    /// When there is no `kill` command.
    pub fn hang(&self) {
        self.signal("-STOP");
    }

    /// Lets the process go on after [`hang`](Self::hang).
    ///
    /// # Panics
    /// When there is no `kill` command.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(sent.expect("kill can be run").success());
    }

    /// Runs a command on the server.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn run(&self, words: &[&str]) {
        let client = redis::Client::open(self.url()).expect("the URL of a server");
        let mut connection = client.get_connection().expect("a connection to the server");
        let answer = redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut connection);
        answer.expect("the server runs the command");
    }

    /// Kills the server: what it did not write to disk is lost.
    ///
    /// # Panics
    /// When the process cannot be waited for.
    pub fn kill(&mut self) {
        drop(self.process.kill());
        self.process.wait().expect("the server has ended");
    }

    /// Starts the server again after [`kill`](Self::kill), on the same port and with the same files.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        let process = spawn(self.port, &self.directory, &self.arguments).expect("redis-server can be run");
        self.process = process.expect("redis-server starts on its port again");
    }

    /// As [`restart`](Self::restart), with further arguments on its command line.
    ///
    /// # Panics
    /// As [`restart`](Self::restart).
    pub fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self.restart();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Returns `None` if the server ends before it accepts connections.
fn spawn(port: u16, directory: &Path, arguments: &[String]) -> io::Result<Option<Child>> {
    let mut command = Command::new("redis-server");
    // The file of a configuration comes before the other arguments.
    command.args(arguments).args(["--bind", "127.0.0.1", "--port"]).arg(port.to_string()).arg("--dir").arg(directory);
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut lines = BufReader::new(process.stdout.take().expect("the output is piped")).lines();
    let is_ready = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.contains("Ready to accept connections") || line.contains("+monitor"));
    if is_ready {
        // The server blocks when nothing reads its log.
        std::thread::spawn(move || lines.for_each(drop));
        return Ok(Some(process));
    }
    process.wait()?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::TestServer;

    #[test]
    fn a_server_keeps_its_port_when_it_is_started_again() {
        let Some(mut server) = TestServer::start() else { return };
        let answers = |url| redis::Client::open(url).and_then(|client| client.get_connection()).is_ok();
        assert!(answers(server.url()));
        server.kill();
        assert!(!answers(server.url()));
        server.restart();
        assert!(answers(server.url()));
    }
}

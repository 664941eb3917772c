//! Running the command: a user directory of its own for each test, bounded waits, no process left behind.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Far more than anything here takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A user: a directory that is the working directory and holds `~`.
pub(crate) struct User {
    dir: tempfile::TempDir,
}

/// What a command that ended left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl User {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("user")).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The command, not started.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentmesh"));
        command.args(args).current_dir(self.dir.path()).env("HOME", self.path("user"));
        // What a killed server leaves goes with the rest.
        command.env("TMPDIR", self.dir.path());
        for name in [
            "AGENTMESH_HOME",
            "AGENTMESH_REGISTRY_URL",
            "AGENTMESH_RELAY_URL",
            "AGENTMESH_LOG",
            "RUST_LOG",
            "AGENT_IDENTITY_KEY",
            "AGENTMESH_API_KEY",
            "AGENTMESH_USER_DATA_URL",
            "OPENROUTER_API_KEY",
        ] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Done {
        finish(self.command(args))
    }

    /// Runs it with `--json`; it must succeed, and every line must be JSON.
    pub(crate) fn json<S: AsRef<OsStr>>(&self, args: &[S]) -> Vec<Value> {
        let mut all: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        all.push(OsStr::new("--json"));
        let done = self.run(&all);
        assert_eq!(done.code, 0, "{all:?}: {done:?}");
        done.lines()
    }

    /// The agent of a home, made if needed.
    pub(crate) fn identity(&self, home: &str) -> String {
        let lines = self.json(&["identity", "new", "--home", home]);
        lines[0]["amid"].as_str().unwrap().to_owned()
    }
}

impl Done {
    /// Standard output, each line JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// Runs a prepared command to its end.
pub(crate) fn finish(mut command: Command) -> Done {
    let mut child = command.spawn().unwrap();
    let read = |mut from: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            from.read_to_string(&mut text).unwrap();
            text
        })
    };
    let stdout = read(Box::new(child.stdout.take().unwrap()));
    let stderr = read(Box::new(child.stderr.take().unwrap()));
    let code = wait(&mut child, PATIENCE).code().unwrap_or(-1);
    Done { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

fn wait(child: &mut Child, patience: Duration) -> ExitStatus {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("still running after {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process that goes on until it is stopped, and its lines.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<Value>,
    /// Everything it said so far.
    pub(crate) seen: Vec<Value>,
}

impl Running {
    pub(crate) fn start<S: AsRef<OsStr>>(user: &User, args: &[S]) -> Self {
        let mut command = user.command(args);
        command.stderr(Stdio::inherit());
        Self::spawn(command)
    }

    /// The same, with everything that can be logged in a file.
    pub(crate) fn traced<S: AsRef<OsStr>>(user: &User, args: &[S], log: &str) -> Self {
        let mut command = user.command(args);
        command.env("RUST_LOG", "trace");
        command.stderr(std::fs::File::create(user.path(log)).unwrap());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        command.arg("--json").stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its standard input.
    pub(crate) fn order(&mut self, line: &Value) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// Waits for a line that fits, counting those seen before.
    pub(crate) fn wait_for(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(found) = self.seen.iter().find(|line| fits(line)) {
            return found.clone();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no {what} among {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if fits(&line) {
                return line;
            }
        }
    }

    pub(crate) fn event(&mut self, name: &str) -> Value {
        self.wait_for(name, |line| line["event"] == name)
    }

    /// Waits for a message with this payload.
    pub(crate) fn message(&mut self, payload: &Value) -> Value {
        self.wait_for("message", |line| line["event"] == "message" && line["payload"] == *payload)
    }

    /// How often a payload was shown, after whatever is still on its way had time to come.
    pub(crate) fn count_after(&mut self, pause: Duration, payload: &Value) -> usize {
        let deadline = Instant::now() + pause;
        while let Ok(line) =
            self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.seen.push(line);
        }
        self.seen.iter().filter(|line| line["payload"] == *payload).count()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; it must end by itself, in time, with success.
    pub(crate) fn stop(mut self) -> Vec<Value> {
        self.terminate();
        let status = wait(&mut self.child, Duration::from_secs(5));
        assert_eq!(status.code(), Some(0));
        self.seen.extend(self.lines.iter());
        std::mem::take(&mut self.seen)
    }

    /// Waits for its own end.
    pub(crate) fn end(mut self) -> (i32, Vec<Value>) {
        let code = wait(&mut self.child, PATIENCE).code().unwrap_or(-1);
        self.seen.extend(self.lines.iter());
        (code, std::mem::take(&mut self.seen))
    }

    fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of something that refuses every request, with these words.
pub(crate) fn refusing(status: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    addr
}

/// A development server.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) addr: String,
    pub(crate) registry: String,
}

impl Server {
    pub(crate) fn start(user: &User, more: &[&str]) -> Self {
        Self::at(user, "127.0.0.1:0", more)
    }

    pub(crate) fn at(user: &User, addr: &str, more: &[&str]) -> Self {
        let args = [&["dev", "--listen", addr, "--data-dir", "server"][..], more].concat();
        let mut running = Running::start(user, &args);
        let line = running.event("listening");
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        Self { addr: text("addr"), registry: text("registry"), running }
    }

    /// SIGKILL, and a new process on the same data and port.
    pub(crate) fn kill_and_restart(self, user: &User) -> Self {
        let addr = self.addr.clone();
        let old = self.running.pid();
        self.running.kill();
        let new = Self::at(user, &addr, &[]);
        assert_ne!(old, new.running.pid());
        new
    }
}

/// An agent that listens.
pub(crate) fn listen(user: &User, home: &str, more: &[&str]) -> (Running, String) {
    let args = [&["listen", "--home", home][..], more].concat();
    let mut running = Running::start(user, &args);
    let amid = running.event("started")["amid"].as_str().unwrap().to_owned();
    running.event("online");
    (running, amid)
}

/// Every file below `dir`, with its content.
pub(crate) fn snapshot(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let Ok(entries) = std::fs::read_dir(dir) else { return files };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// Says loudly that something was not tested for want of a program; where everything has to be, that is a failure.
pub(crate) fn not_run(what: &str) {
    eprintln!("NOT RUN: {what}, for want of what it needs");
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{what} did not run");
}

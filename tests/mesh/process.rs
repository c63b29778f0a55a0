//! Another process of this test binary, which runs one of its tests and is talked to by lines: [`Process`].

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

/// Long enough for any machine; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process; killed when dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    /// What it has said so far.
    said: Vec<String>,
}

impl Process {
    /// Runs one test of this binary, as `--exact` wants it, in an environment of its own.
    pub(crate) fn start(name: &str, test: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", test, "--nocapture"])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the process starts");
        let (said, output) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        // Ends with the process.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            name: name.to_owned(),
            input: child.stdin.take(),
            child,
            output,
            said: Vec::new(),
        }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{} is told `{line}`: {error}", self.name));
    }

    /// Waits until it says a line for which `wanted` has an answer.
    pub(crate) fn hear<T>(&mut self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            match self
                .output
                .recv_timeout(PATIENCE.saturating_sub(started.elapsed()))
            {
                Ok(line) => {
                    let answer = wanted(&line);
                    self.said.push(line);
                    if let Some(answer) = answer {
                        return answer;
                    }
                }
                Err(error) => {
                    let why = match error {
                        RecvTimeoutError::Timeout => "did not say",
                        RecvTimeoutError::Disconnected => "ended without saying",
                    };
                    panic!("{} {why} {what}; it said: {:#?}", self.name, self.said);
                }
            }
        }
    }

    /// SIGKILL, wherever it is; returns when the process is gone. A process that has ended by itself has failed.
    pub(crate) fn kill(mut self) {
        if let Some(status) = self.child.try_wait().expect("the process can be asked") {
            self.said.extend(self.output.try_iter());
            panic!(
                "{} ended by itself ({status}); it said: {:#?}",
                self.name, self.said
            );
        }
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process can be waited for");
    }

    /// Closes its input, and waits until it has ended well.
    pub(crate) fn stop(mut self) {
        drop(self.input.take());
        self.wait();
    }

    /// Waits until it has ended well by itself.
    pub(crate) fn wait(&mut self) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be asked") {
                self.said.extend(self.output.try_iter());
                assert!(
                    status.success(),
                    "{} ended with {status}; it said: {:#?}",
                    self.name,
                    self.said
                );
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{} does not end; it said: {:#?}",
                self.name,
                self.said
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that fails leaves no process behind; after a kill there is none.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What such a process tells its parent; or a test its reader, when it fails.
#[expect(clippy::print_stdout, reason = "a parent reads it")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

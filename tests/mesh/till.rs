//! The example `till`, typed into as its user would.

#[path = "../../examples/till.rs"]
#[expect(dead_code, reason = "the example's own main function")]
mod example;

use std::path::Path;

use crate::process::Process;

const ARGUMENTS: &str = "DITTO_SYNC_TEST_TILL";

/// Not a test of its own: the process of a till. Started by the tests below, and a no-op otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn till_process() {
    if let Ok(arguments) = std::env::var(ARGUMENTS) {
        let arguments: Vec<String> = arguments.split('\n').map(str::to_owned).collect();
        example::run(&arguments)
            .await
            .expect("a till runs until it is ended");
    }
}

fn start(name: &str, directory: &Path, join: Option<&str>) -> Process {
    let directory = directory.join(name);
    let directory = directory.to_str().expect("a path of text");
    let mut arguments = vec!["--name", name, "--dir", directory, "--listen", "127.0.0.1:0"];
    arguments.extend(join.into_iter().flat_map(|ticket| ["--join", ticket]));
    Process::start(name, "till::till_process", &[(ARGUMENTS, &arguments.join("\n"))])
}

fn hear(till: &mut Process, line: &str) {
    till.hear(line, |said| (said == line).then_some(()));
}

/// In any order.
fn hear_both(till: &mut Process, lines: [&str; 2]) {
    let first = till.hear(lines[0], |said| lines.iter().position(|line| *line == said));
    hear(till, lines[1 - first]);
}

#[test]
fn what_is_typed_into_one_till_shows_in_the_other_also_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut one = start("one", directory.path(), None);
    let ticket = one.hear("its ticket", |line| {
        Some(line.strip_prefix("--join ")?.to_owned())
    });
    one.tell("stock coffee 10");
    hear(&mut one, "coffee: 10 left");
    let mut two = start("two", directory.path(), Some(&ticket));
    hear(&mut two, "<- coffee: 10 left");
    two.tell("sell coffee 3");
    hear(&mut two, "coffee: 7 left");
    hear(&mut one, "<- two sold 3 coffee");
    one.tell("sell tea");
    hear(&mut one, "there is no `tea`: see `list`");
    two.stop();
    one.tell("sell coffee");
    hear(&mut one, "coffee: 6 left");
    let mut two = start("two", directory.path(), None);
    hear_both(&mut two, ["<- coffee: 6 left", "<- one sold 1 coffee"]);
    two.tell("sales");
    hear(&mut two, "  one sold 1 coffee");
    hear(&mut two, "  two sold 3 coffee");
    two.tell("quit");
    hear(&mut two, "two is closed");
    two.wait();
    one.tell("what can I say?");
    hear(&mut one, "commands:");
    one.stop();
}

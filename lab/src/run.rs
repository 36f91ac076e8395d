//! Running a program of the system to its end.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::error::LabError;

/// Lines of a program's output that are worth showing.
const LINES: usize = 12;

/// Runs a command line such as `ip link set lo up`, and returns what it printed.
pub(crate) fn run(command_line: &str) -> Result<String, LabError> {
    let mut words = command_line.split_whitespace();
    let program = words.next().unwrap_or_default();
    output(Command::new(program).args(words))
}

/// Runs a command to its end and returns what it printed to stdout.
pub(crate) fn output(command: &mut Command) -> Result<String, LabError> {
    let output = command.stdin(Stdio::null()).output();
    finish(command, output)
}

/// As [`output`], with a text as its stdin.
pub(crate) fn output_of_input(command: &mut Command, input: &str) -> Result<String, LabError> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = child.and_then(|mut child| {
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    });
    finish(command, output)
}

fn finish(command: &Command, output: std::io::Result<Output>) -> Result<String, LabError> {
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => {
            let printed = [output.stderr, output.stdout].concat();
            Err(failed(command, &tail(&String::from_utf8_lossy(&printed), LINES)))
        }
        Err(why) => Err(failed(command, &why.to_string())),
    }
}

pub(crate) fn failed(command: &Command, output: &str) -> LabError {
    let program = command.get_program().to_string_lossy();
    let words = [command.get_program()].into_iter().chain(command.get_args());
    LabError::Command {
        command: words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" "),
        output: output.to_owned(),
        help: format!("run it by hand to see more; {program} must be installed and you must be root"),
    }
}

/// The last lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_run_and_what_it_printed() {
        let error = output(Command::new("sh").args(["-c", "echo first; echo second >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("`sh -c echo first; echo second >&2; exit 3` failed: second\nfirst\n  help: "),
            "{text}"
        );
        assert!(run("no-such-program-here").unwrap_err().to_string().contains("must be installed"));
    }

    #[test]
    fn input_reaches_the_program() {
        assert_eq!(output_of_input(&mut Command::new("cat"), "hello").unwrap(), "hello");
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}

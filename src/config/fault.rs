//! Error in the configuration file, with its line.

use std::fmt;

/// Error message with a line number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Line number, from 1; `None` if unknown.
    line: Option<usize>,
    message: String,
    /// True for a value of the command line.
    is_of_command_line: bool,
}

impl Fault {
    /// Creates a fault on line `line`, from 1.
    pub(crate) fn at_line(line: usize, message: impl Into<String>) -> Self {
        Self::new(Some(line), message)
    }

    /// Creates a fault whose line may be unknown.
    pub(crate) fn new(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { line, message: message.into(), is_of_command_line: false }
    }

    /// Creates a fault of a value that the command line gave.
    pub(crate) fn of_command_line(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into(), is_of_command_line: true }
    }

    /// Returns true if the command line gave the value.
    pub(crate) fn is_of_command_line(&self) -> bool {
        self.is_of_command_line
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Returns the number, from 1, of the line at `offset` in `text`.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

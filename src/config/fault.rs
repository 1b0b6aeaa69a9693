//! One thing that is wrong in the configuration, with its line.

use std::fmt;

/// A fault and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line number, from 1; `None` where the text has no such place.
    line: Option<usize>,
    what: String,
}

impl Fault {
    /// A fault on the line `line`, from 1.
    pub fn at_line(line: usize, what: impl Into<String>) -> Self {
        Self { line: Some(line), what: what.into() }
    }

    /// A fault whose line is known only if `line` is.
    pub fn new(line: Option<usize>, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.what)
    }
}

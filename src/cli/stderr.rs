//! Messages on standard error.

use std::fmt::Display;
use std::io::Write;

/// Prints a message on standard error. Unlike `eprintln!`, it does not panic if standard error is
/// closed.
pub fn say(message: impl Display) {
    let _ = writeln!(std::io::stderr(), "genred: {message}");
}

//! Filters on the rows of an index.

use std::str::FromStr;

use crate::limits::ArgumentError;

/// `--where COLUMN=VALUE`: rows of an index whose column has this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Column name, as in the header.
    pub column: String,
    /// The value to keep.
    pub value: String,
}

impl FromStr for Filter {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        match text.split_once('=') {
            Some((column, value)) if !column.trim().is_empty() => {
                Ok(Self { column: column.trim().into(), value: value.trim().into() })
            }
            _ => Err(ArgumentError::new("COLUMN=VALUE, as in `split=test`")),
        }
    }
}

//! Layer 0: limits of numeric settings; errors of settings and arguments that cannot be used.
//!
//! Each limit has one home: a constant here where several components check it, else a constant next
//! to the setting.

use std::fmt;

/// Interval between patches, in seconds.
pub const HOP_S: Limit = Limit::new("hop_s", 0.25, 3.0, "seconds");

/// A setting that cannot be used. Its message reads "`hop_s` is 0.1; expected 0.25 to 3 seconds".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is {value}; expected {expected}")]
pub struct ConfigError {
    /// Key, with its section, such as `model.threads`.
    pub key: String,
    /// The value as it was found, or a description that continues "`key` is …". Never a secret.
    pub value: String,
    /// Description of accepted values; may advise to leave the key out.
    pub expected: String,
}

impl ConfigError {
    /// Creates the error for `key`.
    pub fn new(key: impl Into<String>, value: impl fmt::Display, expected: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.to_string(), expected: expected.into() }
    }
}

/// Text on the command line that cannot be used. Its message reads "not 0.25 to 3 seconds" and does
/// not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct ArgumentError {
    /// Description of accepted texts, such as "a number".
    pub expected: String,
}

impl ArgumentError {
    /// Creates the error for an argument of which `expected` describes the accepted texts.
    pub fn new(expected: impl Into<String>) -> Self {
        Self { expected: expected.into() }
    }
}

/// Closed interval of accepted values of one numeric setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    key: &'static str,
    least: f64,
    most: f64,
    unit: &'static str,
    /// Meaning of zero, if zero is accepted although it is less than `least`.
    zero: Option<&'static str>,
}

impl Limit {
    /// Creates the interval `least..=most` of the setting `key`. `unit` follows the numbers in
    /// messages and may be empty.
    pub const fn new(key: &'static str, least: f64, most: f64, unit: &'static str) -> Self {
        Self { key, least, most, unit, zero: None }
    }

    /// Also accepts zero, which means `meaning`.
    pub const fn or_zero(self, meaning: &'static str) -> Self {
        Self { zero: Some(meaning), ..self }
    }

    /// Returns whether `value` lies within the interval. NaN never does.
    pub fn contains(&self, value: f64) -> bool {
        (self.least..=self.most).contains(&value) || (self.zero.is_some() && value == 0.0)
    }

    /// Returns `value` if it lies within the interval.
    ///
    /// # Errors
    /// `value` lies outside.
    pub fn check(&self, value: f64) -> Result<f64, ConfigError> {
        match self.contains(value) {
            true => Ok(value),
            false => Err(ConfigError::new(self.key, value, self.to_string())),
        }
    }

    /// Parses a command-line argument.
    ///
    /// # Errors
    /// `text` is not a number, or lies outside.
    pub fn parse(&self, text: &str) -> Result<f64, ArgumentError> {
        let value: f64 = text.parse().map_err(|_| ArgumentError::new("a number"))?;
        if self.contains(value) { Ok(value) } else { Err(ArgumentError::new(self.to_string())) }
    }
}

impl fmt::Display for Limit {
    /// Writes the interval with its unit, such as "0.25 to 3 seconds".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.least, self.most)?;
        if !self.unit.is_empty() {
            write!(f, " {}", self.unit)?;
        }
        match self.zero {
            Some(meaning) => write!(f, ", or 0 for {meaning}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_the_interval() {
        for value in [0.25, 1.0, 3.0] {
            assert_eq!(HOP_S.check(value), Ok(value));
        }
        for value in [0.249, 3.001, f64::NAN, f64::INFINITY, -1.0] {
            assert!(HOP_S.check(value).is_err(), "{value}");
        }
    }

    #[test]
    fn messages_name_key_value_and_interval() {
        let message = HOP_S.check(0.1).map_err(|error| error.to_string());
        assert_eq!(message, Err("`hop_s` is 0.1; expected 0.25 to 3 seconds".into()));
        let limit = Limit::new("tone_after_s", 1.0, 86_400.0, "seconds").or_zero("never");
        assert_eq!(limit.check(0.0), Ok(0.0));
        let message = limit.check(0.5).map_err(|error| error.to_string());
        assert_eq!(message, Err("`tone_after_s` is 0.5; expected 1 to 86400 seconds, or 0 for never".into()));
    }

    #[test]
    fn arguments_are_parsed() {
        assert_eq!(HOP_S.parse("0.5"), Ok(0.5));
        let message = |text| HOP_S.parse(text).unwrap_err().to_string();
        assert_eq!(message("x"), "not a number");
        assert_eq!(message("9"), "not 0.25 to 3 seconds");
    }
}

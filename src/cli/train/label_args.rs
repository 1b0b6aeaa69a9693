//! Options of `genred train` that change the bias of labels.

use std::str::FromStr;

use crate::limits::ArgumentError;

/// `--limit LABEL:OTHER=SHARE`
#[derive(Debug, Clone)]
pub(super) struct LimitArg {
    pub(super) truth: String,
    pub(super) answer: String,
    pub(super) share: f64,
}

impl FromStr for LimitArg {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let parsed = text.rsplit_once('=').and_then(|(labels, share)| {
            let (truth, answer) = labels.split_once(':')?;
            let share: f64 = share.trim().parse().ok().filter(|share| (0.0..1.0).contains(share))?;
            Some(Self { truth: truth.trim().into(), answer: answer.trim().into(), share })
        });
        parsed.ok_or_else(|| ArgumentError::new("LABEL:OTHER=SHARE, as in `music:speech=0.004`"))
    }
}

/// `--shift LABEL=NUMBER`
#[derive(Debug, Clone)]
pub(super) struct ShiftArg {
    pub(super) label: String,
    pub(super) by: f64,
}

impl FromStr for ShiftArg {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let parsed = text.rsplit_once('=').and_then(|(label, by)| {
            let by = by.trim().parse().ok().filter(|by: &f64| by.is_finite())?;
            Some(Self { label: label.trim().into(), by })
        });
        parsed.ok_or_else(|| ArgumentError::new("LABEL=NUMBER, as in `rnb-soul=0.3`"))
    }
}
